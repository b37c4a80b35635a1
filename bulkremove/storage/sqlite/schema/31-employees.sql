-- What shows that a list of employees gets short night by night, and who could not be asked for.

ALTER TABLE leaver_memory ADD COLUMN most INTEGER NOT NULL DEFAULT 0;         -- the most employees of the last weeks
ALTER TABLE leaver_memory ADD COLUMN most_at REAL NOT NULL DEFAULT 0;
ALTER TABLE leaver_memory ADD COLUMN uncounted INTEGER NOT NULL DEFAULT 0;    -- counted and not listed, as a person has accepted
ALTER TABLE leaver_memory ADD COLUMN tried TEXT NOT NULL DEFAULT '{}';        -- JSON object: when a leaver's courses could not be read
ALTER TABLE leaver_memory ADD COLUMN listed TEXT NOT NULL DEFAULT '{}';       -- JSON object: when a record number was listed last
