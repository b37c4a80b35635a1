-- Each client belongs to an organisation: its own, under the client's hash, until a person names one. So same_organization
-- holds each client itself too, and queries need no second condition for it.

INSERT OR IGNORE INTO client_organization (client, host, organization) SELECT DISTINCT client, host, client FROM job;

CREATE TRIGGER client_of_new_job AFTER INSERT ON job BEGIN
    INSERT OR IGNORE INTO client_organization (client, host, organization) VALUES (new.client, new.host, new.client);
END;
