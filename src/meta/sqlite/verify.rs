//! Checks the database against itself: SQLite's own checks, then every promise that rows make each other.
//! Repairs nothing.

use rusqlite::Connection;

use super::failure::Failure;

/// One promise: the query returns one line of text per row that breaks it.
struct Promise {
    sql: &'static str,
}

const PROMISES: &[Promise] = &[
    // References.
    Promise {
        sql: "WITH pointer (id) AS (
                  SELECT manifest_id FROM version WHERE manifest_id IS NOT NULL
                  UNION ALL SELECT manifest_id FROM retained WHERE manifest_id IS NOT NULL
                  UNION ALL SELECT manifest_id FROM upload
                  UNION ALL SELECT body_manifest FROM part WHERE body_manifest IS NOT NULL),
              counted (id, n) AS (SELECT id, COUNT(*) FROM pointer GROUP BY id)
              SELECT 'manifest ' || m.id || ': ' || m.refs || ' references counted, ' || IFNULL(c.n, 0) || ' found'
              FROM manifest m LEFT JOIN counted c ON c.id = m.id WHERE m.refs <> IFNULL(c.n, 0)",
    },
    Promise {
        sql: "WITH counted (id, n) AS (SELECT chunk_id, COUNT(*) FROM extent GROUP BY chunk_id)
              SELECT 'chunk ' || k.id || ': ' || k.refs || ' references counted, ' || IFNULL(c.n, 0) || ' found'
              FROM chunk k LEFT JOIN counted c ON c.id = k.id WHERE k.refs <> IFNULL(c.n, 0) OR k.refs < 1",
    },
    Promise {
        sql: "SELECT DISTINCT 'access key ' || k.id || ' has policies and is not limited'
              FROM access_key k JOIN key_policy p ON p.key_id = k.id WHERE k.limited <> 1",
    },
    // Pointers that lead nowhere.
    Promise {
        sql: "SELECT 'version ' || -v.rank || ' of bucket ' || v.bucket_id || ': manifest ' || v.manifest_id || ' is missing'
              FROM version v WHERE v.manifest_id IS NOT NULL
              AND NOT EXISTS (SELECT 1 FROM manifest m WHERE m.id = v.manifest_id)",
    },
    Promise {
        sql: "SELECT 'upload ' || hex(u.id) || ': manifest ' || u.manifest_id || ' is missing or in one piece'
              FROM upload u WHERE NOT EXISTS (SELECT 1 FROM manifest m WHERE m.id = u.manifest_id AND m.multipart = 1)",
    },
    Promise {
        sql: "SELECT 'part ' || p.number || ' of manifest ' || p.manifest_id || ': manifest ' || p.body_manifest
                  || ' is missing or multipart'
              FROM part p WHERE p.body_manifest IS NOT NULL
              AND NOT EXISTS (SELECT 1 FROM manifest m WHERE m.id = p.body_manifest AND m.multipart = 0)",
    },
    Promise {
        sql: "SELECT 'extent ' || e.offset || ' of manifest ' || e.manifest_id || ': chunk ' || e.chunk_id
                  || ' is missing or too short'
              FROM extent e LEFT JOIN chunk c ON c.id = e.chunk_id
              WHERE c.id IS NULL OR e.length < 1 OR e.chunk_offset < 0 OR e.chunk_offset + e.length > c.length",
    },
    // Side rows and inline parts belong to exactly one row.
    Promise {
        sql: "SELECT 'side row ' || id || ': its version is missing'
              FROM (SELECT id FROM side EXCEPT SELECT -rank FROM version WHERE delete_marker = 0
                  EXCEPT SELECT id FROM retained)",
    },
    Promise {
        sql: "SELECT 'version ' || -v.rank || ' of bucket ' || v.bucket_id || ': its side row is missing'
              FROM version v WHERE v.delete_marker = 0 AND NOT EXISTS (SELECT 1 FROM side s WHERE s.id = -v.rank)",
    },
    Promise {
        sql: "SELECT 'inline part ' || id || ': its part is missing'
              FROM (SELECT id FROM inline_part EXCEPT SELECT inline_id FROM part)",
    },
    Promise {
        sql: "SELECT 'part ' || p.number || ' of manifest ' || p.manifest_id || ': its inline bytes are missing'
              FROM part p WHERE p.inline_id IS NOT NULL
              AND NOT EXISTS (SELECT 1 FROM inline_part i WHERE i.id = p.inline_id AND length(i.data) = p.size)",
    },
    // The record of a completed upload is part 0, which no offset leads to; what follows is of the others.
    Promise {
        sql: "SELECT 'record of manifest ' || p.manifest_id || ': not in extents alone'
              FROM part p WHERE p.number = 0 AND (p.offset IS NOT NULL OR p.size <> 0 OR p.inline_id IS NOT NULL
                  OR NOT EXISTS (SELECT 1 FROM extent e WHERE e.manifest_id = p.body_manifest))",
    },
    // Extents and parts have no gaps. A garbage manifest may be half released.
    Promise {
        sql: "WITH placed AS (
                  SELECT manifest_id, offset,
                      LAG(offset + length, 1, 0) OVER (PARTITION BY manifest_id ORDER BY offset) AS expected
                  FROM extent)
              SELECT 'extent ' || offset || ' of manifest ' || manifest_id || ': expected at ' || expected
              FROM placed WHERE offset <> expected
              AND manifest_id NOT IN (SELECT manifest_id FROM garbage_manifest)",
    },
    Promise {
        sql: "WITH placed AS (
                  SELECT p.manifest_id, p.number, p.offset,
                      LAG(p.offset + p.size, 1, 0) OVER (PARTITION BY p.manifest_id ORDER BY p.number) AS expected
                  FROM part p WHERE p.number > 0
                  AND (EXISTS (SELECT 1 FROM version v WHERE v.manifest_id = p.manifest_id)
                      OR p.manifest_id IN (SELECT manifest_id FROM retained)))
              SELECT 'part ' || number || ' of manifest ' || manifest_id || ': at ' || IFNULL(offset, 'no offset')
                  || ', expected at ' || expected
              FROM placed WHERE offset IS NOT expected",
    },
    // Sizes.
    Promise {
        sql: "SELECT 'version ' || -v.rank || ' of bucket ' || v.bucket_id || ': ' || v.size || ' bytes, '
                  || IFNULL(length(s.data), 0) || ' stored inline'
              FROM version v JOIN side s ON s.id = -v.rank
              WHERE v.manifest_id IS NULL AND v.size <> IFNULL(length(s.data), 0)",
    },
    Promise {
        sql: "WITH body (manifest_id, size) AS (SELECT manifest_id, SUM(length) FROM extent GROUP BY manifest_id)
              SELECT 'version ' || -v.rank || ' of bucket ' || v.bucket_id || ': ' || v.size || ' bytes, '
                  || IFNULL(b.size, 0) || ' in extents'
              FROM version v JOIN manifest m ON m.id = v.manifest_id AND m.multipart = 0
              LEFT JOIN body b ON b.manifest_id = m.id WHERE v.size <> IFNULL(b.size, 0)",
    },
    Promise {
        sql: "WITH body (manifest_id, size, n) AS (
                  SELECT manifest_id, SUM(size), COUNT(*) FROM part WHERE number > 0 GROUP BY manifest_id)
              SELECT 'version ' || -v.rank || ' of bucket ' || v.bucket_id || ': ' || v.size || ' bytes, '
                  || IFNULL(b.size, 0) || ' in parts'
              FROM version v JOIN manifest m ON m.id = v.manifest_id AND m.multipart = 1
              LEFT JOIN body b ON b.manifest_id = m.id
              WHERE v.size <> IFNULL(b.size, 0) OR v.etag_parts IS NOT b.n",
    },
    Promise {
        sql: "WITH body (manifest_id, size) AS (SELECT manifest_id, SUM(length) FROM extent GROUP BY manifest_id)
              SELECT 'part ' || p.number || ' of manifest ' || p.manifest_id || ': ' || p.size || ' bytes, '
                  || IFNULL(b.size, 0) || ' in extents'
              FROM part p LEFT JOIN body b ON b.manifest_id = p.body_manifest
              WHERE p.inline_id IS NULL AND p.number > 0 AND p.size <> IFNULL(b.size, 0)",
    },
    // Restorable versions.
    Promise {
        sql: "SELECT 'restorable version ' || r.id || ': its side row or its body is missing'
              FROM retained r WHERE NOT EXISTS (SELECT 1 FROM side s WHERE s.id = r.id
                  AND (r.manifest_id IS NOT NULL OR r.size = IFNULL(length(s.data), 0)))
              OR (r.manifest_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM manifest m WHERE m.id = r.manifest_id))",
    },
    Promise {
        sql: "WITH body (manifest_id, size) AS (
                  SELECT manifest_id, SUM(length) FROM extent GROUP BY manifest_id
                  UNION ALL SELECT manifest_id, SUM(size) FROM part GROUP BY manifest_id)
              SELECT 'restorable version ' || r.id || ': ' || r.size || ' bytes, ' || IFNULL(b.size, 0) || ' stored'
              FROM retained r LEFT JOIN body b ON b.manifest_id = r.manifest_id
              WHERE r.manifest_id IS NOT NULL AND r.size <> IFNULL(b.size, 0)",
    },
    // Counters.
    Promise {
        sql: "SELECT 'upload ' || hex(u.id) || ': ' || u.bytes || ' bytes counted, '
                  || (SELECT IFNULL(SUM(size), 0) FROM part p WHERE p.manifest_id = u.manifest_id) || ' found'
              FROM upload u
              WHERE u.bytes <> (SELECT IFNULL(SUM(size), 0) FROM part p WHERE p.manifest_id = u.manifest_id)",
    },
    Promise {
        sql: "WITH stored (bucket_id, bytes, objects) AS (
                  SELECT bucket_id, size, delete_marker = 0 FROM version
                  UNION ALL SELECT bucket_id, bytes, 0 FROM upload
                  UNION ALL SELECT bucket_id, size, 0 FROM retained),
              found (bucket_id, bytes, objects) AS (
                  SELECT bucket_id, SUM(bytes), SUM(objects) FROM stored GROUP BY bucket_id)
              SELECT 'bucket ' || b.name || ': ' || IFNULL(u.bytes, 'no') || ' bytes and ' || IFNULL(u.objects, 'no')
                  || ' objects counted, ' || IFNULL(f.bytes, 0) || ' and ' || IFNULL(f.objects, 0) || ' found'
              FROM bucket b LEFT JOIN bucket_usage u ON u.bucket_id = b.id LEFT JOIN found f ON f.bucket_id = b.id
              WHERE u.bytes IS NOT IFNULL(f.bytes, 0) OR u.objects IS NOT IFNULL(f.objects, 0)",
    },
    Promise {
        sql: "WITH stored (owner, bytes, objects) AS (
                  SELECT IFNULL(v.owner, b.owner), v.size, v.delete_marker = 0
                      FROM version v JOIN bucket b ON b.id = v.bucket_id
                  UNION ALL SELECT IFNULL(u.owner, b.owner), u.bytes, 0 FROM upload u JOIN bucket b ON b.id = u.bucket_id
                  UNION ALL SELECT owner, size, 0 FROM retained
                  UNION ALL SELECT owner, 0, 0 FROM owner_usage),
              found (owner, bytes, objects) AS (SELECT owner, SUM(bytes), SUM(objects) FROM stored GROUP BY owner)
              SELECT 'identity ' || f.owner || ': ' || IFNULL(u.bytes, 0) || ' bytes and ' || IFNULL(u.objects, 0)
                  || ' objects counted, ' || f.bytes || ' and ' || f.objects || ' found'
              FROM found f LEFT JOIN owner_usage u ON u.owner = f.owner
              WHERE IFNULL(u.bytes, 0) <> f.bytes OR IFNULL(u.objects, 0) <> f.objects",
    },
    // A key has at most one null version.
    Promise {
        sql: "SELECT 'key ' || hex(key) || ' of bucket ' || bucket_id || ': ' || COUNT(*) || ' null versions'
              FROM version WHERE salt IS NULL GROUP BY bucket_id, key HAVING COUNT(*) > 1",
    },
    // Garbage.
    Promise {
        sql: "SELECT 'manifest ' || id || ': without references, but not garbage' FROM manifest
              WHERE refs = 0 AND id NOT IN (SELECT manifest_id FROM garbage_manifest)",
    },
    Promise {
        sql: "SELECT 'garbage manifest ' || g.manifest_id || ': missing or still in use' FROM garbage_manifest g
              WHERE NOT EXISTS (SELECT 1 FROM manifest m WHERE m.id = g.manifest_id AND m.refs = 0)",
    },
    Promise {
        sql: "SELECT 'chunk ' || d.id || ': dead and alive' FROM dead_chunk d
              WHERE EXISTS (SELECT 1 FROM chunk c WHERE c.id = d.id)",
    },
    Promise {
        sql: "SELECT 'chunk ' || d.id || ': marked as damaged, but not alive' FROM damaged_chunk d
              WHERE NOT EXISTS (SELECT 1 FROM chunk c WHERE c.id = d.id)",
    },
    // Events are counted.
    Promise {
        sql: "WITH target (name) AS (SELECT name FROM event_target UNION SELECT target FROM event),
              counted (name, n) AS (SELECT target, COUNT(*) FROM event GROUP BY target)
              SELECT 'target ' || t.name || ': ' || IFNULL(e.queued, 0) || ' events counted, ' || IFNULL(c.n, 0) || ' found'
              FROM target t LEFT JOIN event_target e ON e.name = t.name LEFT JOIN counted c ON c.name = t.name
              WHERE IFNULL(e.queued, 0) <> IFNULL(c.n, 0)",
    },
    // The clock is ahead of everything that it numbered.
    Promise {
        sql: "WITH numbered (id) AS (
                  SELECT -MIN(rank) FROM version UNION ALL SELECT MAX(id) FROM manifest
                  UNION ALL SELECT MAX(id) FROM inline_part UNION ALL SELECT MAX(id) FROM retained
                  UNION ALL SELECT MAX(sequence) FROM event)
              SELECT 'the clock is behind number ' || id FROM numbered
              WHERE id > (SELECT value FROM state WHERE name = 'order')",
    },
];

/// Calls `report` with one line per fault. Reports of a store in use are true too: all is read in one
/// snapshot.
pub(super) fn verify(connection: &Connection, report: &mut dyn FnMut(String)) -> Result<(), Failure> {
    let mut integrity = connection.prepare("PRAGMA integrity_check")?;
    let mut rows = integrity.query([])?;
    while let Some(row) = rows.next()? {
        let line: String = row.get(0)?;
        if line != "ok" {
            report(format!("database: {line}"));
        }
    }
    let mut foreign = connection.prepare("PRAGMA foreign_key_check")?;
    let mut rows = foreign.query([])?;
    while let Some(row) = rows.next()? {
        report(format!("table {}: a row refers to a missing {}", row.get::<_, String>(0)?, row.get::<_, String>(2)?));
    }
    for promise in PROMISES {
        let mut statement = connection.prepare(promise.sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            report(row.get(0)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::verify;

    fn faults(connection: &Connection) -> Vec<String> {
        let mut faults = Vec::new();
        verify(connection, &mut |fault| faults.push(fault)).unwrap();
        faults
    }

    /// A store with one bucket; one object inline, one in a chunk, one of two parts; one open upload.
    fn populated() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        super::super::migrate::migrate(&connection).unwrap();
        connection
            .execute_batch(
                "PRAGMA foreign_keys = OFF;
                 UPDATE state SET value = 1000;
                 INSERT INTO bucket VALUES (1, 'bucket', 'o', 0, '', 0, 0);
                 INSERT INTO manifest VALUES (20, 1, 0), (30, 1, 1), (31, 1, 0), (40, 1, 1);
                 INSERT INTO version VALUES
                     (1, x'61', -10, NULL, 0, 2, 0, zeroblob(16), NULL, 0, NULL, NULL, NULL),
                     (1, x'62', -21, NULL, 0, 5, 0, zeroblob(16), NULL, 0, NULL, 20, NULL),
                     (1, x'63', -33, NULL, 0, 9, 0, zeroblob(16), 2, 0, NULL, 30, 'p');
                 INSERT INTO side VALUES (10, NULL, NULL, NULL, x'', x'6869'), (21, NULL, NULL, NULL, x'', NULL),
                     (33, NULL, NULL, NULL, x'', NULL);
                 INSERT INTO chunk VALUES (7, 2, 6, 0);
                 INSERT INTO extent VALUES (20, 0, 5, 7, 1), (31, 0, 6, 7, 0);
                 INSERT INTO inline_part VALUES (32, x'616263');
                 INSERT INTO part VALUES (30, 1, 0, 6, zeroblob(16), NULL, NULL, 0, 31, NULL),
                     (30, 4, 6, 3, zeroblob(16), NULL, NULL, 0, NULL, 32);
                 INSERT INTO upload VALUES (1, x'64', zeroblob(16), 0, 'o', 0, NULL, 40, x'', NULL, 0);
                 INSERT INTO retained VALUES (50, 1, 'bucket', x'61', 3, 0, zeroblob(16), NULL, 0, NULL, NULL, 'o', 5, 9);
                 INSERT INTO side VALUES (50, NULL, NULL, NULL, x'', x'616263');
                 INSERT INTO bucket_usage VALUES (1, 19, 3);
                 INSERT INTO owner_usage VALUES ('o', 10, 2), ('p', 9, 1);
                 INSERT INTO access_key (id, name, secret, owner, created, limited) VALUES ('ID', 'name', 'secret', 'o', 0, 1);
                 INSERT INTO key_policy VALUES ('ID', 'full', NULL);",
            )
            .unwrap();
        connection
    }

    #[test]
    fn a_sound_store_has_no_faults() {
        assert_eq!(faults(&populated()), Vec::<String>::new());
    }

    #[test]
    fn every_broken_promise_is_reported() {
        let damages = [
            "UPDATE access_key SET limited = 0",
            "UPDATE manifest SET refs = 2 WHERE id = 20",
            "UPDATE manifest SET refs = 0 WHERE id = 20",
            "DELETE FROM manifest WHERE id = 20",
            "DELETE FROM manifest WHERE id = 31",
            "DELETE FROM manifest WHERE id = 40",
            "UPDATE chunk SET refs = 3",
            "UPDATE chunk SET length = 5",
            "DELETE FROM chunk",
            "INSERT INTO chunk VALUES (8, 0, 1, 0)",
            "DELETE FROM side WHERE id = 10",
            "UPDATE side SET data = x'68' WHERE id = 10",
            "INSERT INTO side VALUES (11, NULL, NULL, NULL, x'', NULL)",
            "DELETE FROM inline_part",
            "INSERT INTO inline_part VALUES (51, x'61')",
            "UPDATE extent SET offset = 1 WHERE manifest_id = 20",
            "DELETE FROM extent WHERE manifest_id = 31",
            "UPDATE part SET offset = 7 WHERE number = 4",
            "UPDATE part SET offset = NULL WHERE number = 4",
            "UPDATE part SET size = 7 WHERE number = 1",
            "DELETE FROM part WHERE number = 4",
            "UPDATE version SET size = 3 WHERE rank = -10",
            "UPDATE version SET size = 3 WHERE rank = -21",
            "UPDATE version SET size = 3 WHERE rank = -33",
            "UPDATE version SET bucket_id = 2 WHERE rank = -10",
            "DELETE FROM version WHERE rank = -33",
            "DELETE FROM upload",
            "INSERT INTO version VALUES (1, x'61', -9, NULL, 1, 0, 0, zeroblob(16), NULL, 0, NULL, NULL, NULL)",
            "UPDATE bucket_usage SET bytes = 18",
            "UPDATE bucket_usage SET objects = 2",
            "DELETE FROM bucket_usage",
            "UPDATE owner_usage SET bytes = 9 WHERE owner = 'o'",
            "DELETE FROM owner_usage WHERE owner = 'p'",
            "INSERT INTO owner_usage VALUES ('q', 1, 0)",
            "UPDATE version SET owner = NULL",
            "UPDATE upload SET bytes = 1",
            "DELETE FROM retained",
            "DELETE FROM side WHERE id = 50",
            "UPDATE side SET data = x'61' WHERE id = 50",
            "UPDATE retained SET manifest_id = 99",
            "UPDATE retained SET manifest_id = 20",
            "INSERT INTO garbage_manifest VALUES (20)",
            "INSERT INTO garbage_manifest VALUES (99)",
            "INSERT INTO dead_chunk VALUES (7)",
            "INSERT INTO damaged_chunk VALUES (8, 0, 'gone')",
            "UPDATE state SET value = 49",
            "INSERT INTO event VALUES ('hook', 50, 1, x'61', 0, 0, x'')",
            "INSERT INTO event_target VALUES ('hook', 1, 0)",
            "INSERT INTO event VALUES ('hook', 1001, 1, x'61', 0, 0, x''); INSERT INTO event_target VALUES ('hook', 1, 0)",
        ];
        for damage in damages {
            let connection = populated();
            connection.execute_batch(damage).unwrap();
            assert!(!faults(&connection).is_empty(), "{damage}");
        }
    }
}
