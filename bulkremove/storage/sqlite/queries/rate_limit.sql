-- The rate limit of each account: its ledger and its slots. Times ending in _mono are seconds of the boot named.

-- name: get_ledger
-- The ledger of an account and the boot its times belong to.
SELECT boot, next_at_mono, burst, last_at_mono, suspension, individually_limited_row, budget, budget_mono FROM ledger WHERE key = :key;

-- name: list_ledgers
-- All accounts that have a ledger.
SELECT key FROM ledger;

-- name: add_ledger
-- An account gets a ledger unless it has one.
INSERT INTO ledger (key, boot, next_at_mono, burst, budget_mono) VALUES (:key, :boot, 0, 0, 0) ON CONFLICT DO NOTHING;

-- name: save_ledger
-- Write the ledger of an account.
INSERT INTO ledger (key, boot, next_at_mono, burst, last_at_mono, suspension, individually_limited_row, budget, budget_mono)
VALUES (:key, :boot, :next_at, :burst, :last_at, :suspension, :individually_limited_row, :budget, :budget_at)
ON CONFLICT (key) DO UPDATE SET boot = excluded.boot, next_at_mono = excluded.next_at_mono, burst = excluded.burst,
    last_at_mono = excluded.last_at_mono, suspension = excluded.suspension, individually_limited_row = excluded.individually_limited_row, budget = excluded.budget,
    budget_mono = excluded.budget_mono;

-- name: full_until
-- When fewer than so many slots will be taken.
SELECT free_mono FROM slot WHERE ledger = :key AND free_mono > :now ORDER BY free_mono DESC LIMIT 1 OFFSET :calls - 1;

-- name: take_slot
-- Take a slot, released at free_at unless it is released early.
INSERT INTO slot (ledger, taken_mono, free_mono) VALUES (:key, :now, :free_at);

-- name: release_early
-- The call of a slot was answered; never later than it was written for.
UPDATE slot SET free_mono = min(free_mono, :free_at) WHERE id = :slot;

-- name: cancel_slot
-- The connection of a slot was never made.
DELETE FROM slot WHERE id = :slot;

-- name: delete_old_slots
-- Slots that were released before a moment.
DELETE FROM slot WHERE ledger = :key AND free_mono < :then;

-- name: count_taken_since
-- How many slots were taken since a moment.
SELECT count(*) FROM slot WHERE ledger = :key AND taken_mono > :then;

-- name: clamp_slots
-- After a reboot: no slot is held longer than free_at, and none counts as taken in the future.
UPDATE slot SET free_mono = min(free_mono, :free_at), taken_mono = min(taken_mono, :now) WHERE ledger = :key;
