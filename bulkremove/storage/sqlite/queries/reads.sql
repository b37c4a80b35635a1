-- Reads, each written before a byte is sent, and the listings that they brought.

-- name: insert_read
-- Write a read before its request is sent.
INSERT INTO read (ledger, operation, sent_at, sent_mono, boot) VALUES (:ledger, :operation, :sent_at, :sent_mono, :boot);

-- name: close_read
-- Set the raw outcome of a read.
UPDATE read SET response_kind = :response_kind, http_status = :http_status, api_code = :api_code WHERE id = :read;

-- name: delete_read
-- Delete a read of which no byte was sent.
DELETE FROM read WHERE id = :read;

-- name: delete_old_reads
-- Delete the reads that were made before a time.
DELETE FROM read WHERE sent_at < :then;

-- name: get_listing
-- A listing that was made in a period.
SELECT made_at, records FROM listing WHERE client = :client AND host = :host AND name = :name
    AND made_at BETWEEN :since AND :until;

-- name: save_listing
-- Keep a listing, in place of an earlier one of the same name.
INSERT INTO listing (client, host, name, made_at, records) VALUES (:client, :host, :name, :made_at, :records)
ON CONFLICT DO UPDATE SET made_at = excluded.made_at, records = excluded.records;

-- name: delete_old_listings
-- Delete the listings that were not made in a period.
DELETE FROM listing WHERE made_at NOT BETWEEN :since AND :until;

-- name: delete_listings
-- Delete all listings.
DELETE FROM listing;

-- name: save_field
-- Keep that a field was seen, with its present types.
INSERT INTO seen_field (client, host, operation, field, types, seen_at)
VALUES (:client, :host, :operation, :field, :types, :seen_at)
ON CONFLICT DO UPDATE SET types = excluded.types, seen_at = excluded.seen_at;

-- name: fields
-- The fields that a client's answers to a read were seen to have.
SELECT field, types, seen_at FROM seen_field WHERE client = :client AND host = :host AND operation = :operation
ORDER BY field;
