-- What is remembered of employees between nightly runs.

-- name: get_memory
-- What is remembered for a client.
SELECT employees, counted_at, asked, tried, listed, most, most_at, uncounted, known_at FROM leaver_memory
WHERE client = :client AND host = :host;

-- name: save_memory
-- Remember this for a client, in place of what was remembered.
INSERT INTO leaver_memory
    (client, host, counted_at, employees, asked, tried, listed, most, most_at, uncounted, known_at)
VALUES (:client, :host, :counted_at, :employees, :asked, :tried, :listed, :most, :most_at, :uncounted, :known_at)
ON CONFLICT DO UPDATE SET counted_at = excluded.counted_at, employees = excluded.employees, asked = excluded.asked,
    tried = excluded.tried, listed = excluded.listed, most = excluded.most, most_at = excluded.most_at,
    uncounted = excluded.uncounted, known_at = excluded.known_at;

-- name: forget_people
-- Forget who was listed and whose courses were read; how many employees there are stays.
UPDATE leaver_memory SET asked = '{}', tried = '{}', listed = '{}'
WHERE counted_at < :before AND (asked != '{}' OR tried != '{}' OR listed != '{}');
