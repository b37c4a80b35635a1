-- Which call a job makes for its rows.

ALTER TABLE job ADD COLUMN operation TEXT NOT NULL DEFAULT 'remove learner from batch';
