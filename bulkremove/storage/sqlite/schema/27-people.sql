-- Who the learner of a row was when its plan was made, by Zoho's list: to enrol people again who were removed by mistake.

ALTER TABLE row ADD COLUMN person TEXT;  -- JSON object with the members of a listing.Learner but the id; NULL: not known
