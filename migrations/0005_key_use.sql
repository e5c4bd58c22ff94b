-- Until when an access key may be used, NULL for ever; and when it was used last, to the minute, NULL if not yet. In
-- microseconds since 1970.
ALTER TABLE access_key ADD COLUMN expires INTEGER;
ALTER TABLE access_key ADD COLUMN last_used INTEGER;
