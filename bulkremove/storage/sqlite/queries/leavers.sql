-- What is remembered of employees between nightly runs.

-- name: get_memory
-- What is remembered for a client.
SELECT employees, counted_at, asked FROM leaver_memory WHERE client = :client AND host = :host;

-- name: save_memory
-- Remember this for a client, in place of what was remembered.
INSERT INTO leaver_memory (client, host, counted_at, employees, asked) VALUES (:client, :host, :counted_at, :employees, :asked)
ON CONFLICT DO UPDATE SET counted_at = excluded.counted_at, employees = excluded.employees, asked = excluded.asked;

-- name: forget_people
-- Forget whose courses were read; how many employees there are stays.
UPDATE leaver_memory SET asked = '{}' WHERE counted_at < :before AND asked != '{}';
