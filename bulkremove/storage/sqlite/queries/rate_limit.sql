-- The rate limit of each account: its ledger and its slots. Columns ending in _mono are monotonic seconds of one boot.

-- name: get_ledger
-- The ledger of an account and the boot that its times belong to.
SELECT boot, next_at_mono, burst, last_at_mono, suspension, individually_limited_row, budget, budget_mono FROM ledger WHERE key = :key;

-- name: list_ledgers
-- The keys of all ledgers.
SELECT key FROM ledger;

-- name: add_ledger
-- Add a ledger for an account unless there is one.
INSERT INTO ledger (key, boot, next_at_mono, burst, budget_mono) VALUES (:key, :boot, 0, 0, 0) ON CONFLICT DO NOTHING;

-- name: save_ledger
-- Write the ledger of an account.
INSERT INTO ledger (key, boot, next_at_mono, burst, last_at_mono, suspension, individually_limited_row, budget, budget_mono)
VALUES (:key, :boot, :next_at, :burst, :last_at, :suspension, :individually_limited_row, :budget, :budget_at)
ON CONFLICT (key) DO UPDATE SET boot = excluded.boot, next_at_mono = excluded.next_at_mono, burst = excluded.burst,
    last_at_mono = excluded.last_at_mono, suspension = excluded.suspension, individually_limited_row = excluded.individually_limited_row, budget = excluded.budget,
    budget_mono = excluded.budget_mono;

-- name: full_until
-- When the number of taken slots falls below :calls; no row if it is below already.
SELECT free_mono FROM slot WHERE ledger = :key AND free_mono > :now ORDER BY free_mono DESC LIMIT 1 OFFSET :calls - 1;

-- name: take_slot
-- Take a slot that is released at free_at unless it is released early.
INSERT INTO slot (ledger, taken_mono, free_mono) VALUES (:key, :now, :free_at);

-- name: release_early
-- Move the release of a slot to an earlier time, never to a later one.
UPDATE slot SET free_mono = min(free_mono, :free_at) WHERE id = :slot;

-- name: cancel_slot
-- Delete a slot whose request was never sent.
DELETE FROM slot WHERE id = :slot;

-- name: delete_old_slots
-- Delete the slots that were released before a time.
DELETE FROM slot WHERE ledger = :key AND free_mono < :then;

-- name: count_taken_since
-- The number of slots taken since a time.
SELECT count(*) FROM slot WHERE ledger = :key AND taken_mono > :then;

-- name: clamp_slots
-- Adapt slots after a reboot: release none later than free_at, and count none as taken in the future.
UPDATE slot SET free_mono = min(free_mono, :free_at), taken_mono = min(taken_mono, :now) WHERE ledger = :key;

-- name: count_lost_calls
-- Add what a journal may have lost that is being accepted.
INSERT INTO restore (at, removals, calls) VALUES (:at, :removals, :calls);

-- name: get_lost_calls
-- When a journal was accepted last since a time, and the removals and calls that those since then may have lost.
SELECT max(at), coalesce(sum(removals), 0), coalesce(sum(calls), 0) FROM restore WHERE at >= :since;

-- name: send_times
-- When the account's calls since a time of this boot were made, in ascending order.
SELECT sent_mono FROM call WHERE ledger = :ledger AND boot = :boot AND sent_mono >= :since ORDER BY sent_mono;

-- name: count_since
-- The number of calls of the account since a time, with those that a journal restored since then may have lost.
SELECT count(*) + (SELECT coalesce(sum(calls), 0) FROM restore WHERE at >= :then) FROM call
WHERE ledger = :ledger AND sent_at >= :then;

-- name: calls_ahead
-- The calls of the account that were made, as it seems, after a time.
SELECT sent_mono, boot FROM call WHERE ledger = :ledger AND sent_at > :then;

-- name: nth_last_call
-- When the n-th last call of the account until a time was made.
SELECT sent_at FROM call WHERE ledger = :ledger AND sent_at <= :until ORDER BY sent_at DESC LIMIT 1 OFFSET :n - 1;

-- name: last_calls
-- When the n last calls of the account until a time were made, the newest first.
SELECT sent_at FROM call WHERE ledger = :ledger AND sent_at <= :until ORDER BY sent_at DESC LIMIT :n;
