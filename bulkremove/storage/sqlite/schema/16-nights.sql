-- How a nightly run ended, and what it saw of the clock, for those who watch over it.

ALTER TABLE nightly_run ADD COLUMN end_code TEXT NOT NULL DEFAULT '';  -- empty while it runs, or when it was killed
ALTER TABLE nightly_run ADD COLUMN clock_skew REAL;                    -- seconds that this machine was ahead of Zoho
