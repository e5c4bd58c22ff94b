-- What an access key may do in a second, and at once, where that differs from what all keys may. NULL: as all keys.
ALTER TABLE access_key ADD COLUMN requests_rate INTEGER;
ALTER TABLE access_key ADD COLUMN requests_burst INTEGER;
ALTER TABLE access_key ADD COLUMN bytes_rate INTEGER;
ALTER TABLE access_key ADD COLUMN bytes_burst INTEGER;
