-- Clients of one organisation at Zoho remove the same learners, so their jobs know of each other's rows.

CREATE TABLE client_organization (
    client       TEXT NOT NULL,
    host         TEXT NOT NULL,
    organization TEXT NOT NULL,               -- its name in lower case, as a person gave it last
    PRIMARY KEY (client, host)
) STRICT, WITHOUT ROWID;

CREATE VIEW same_organization AS
SELECT own.client AS client, other.client AS other, own.host AS host
FROM client_organization AS own JOIN client_organization AS other USING (host, organization);
