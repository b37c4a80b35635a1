-- A notice that one address does not take is sent again to that one only.

ALTER TABLE notice ADD COLUMN had TEXT NOT NULL DEFAULT '';  -- marks of the addresses that have it, separated by spaces
