-- When Zoho last knew a leaver by a course, which shows that it knows people by the record number who have left.

ALTER TABLE leaver_memory ADD COLUMN known_at REAL NOT NULL DEFAULT 0;        -- 0: never
