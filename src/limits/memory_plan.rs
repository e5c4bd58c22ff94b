//! How `--memory` is split into a sum of bounded terms. The bounds themselves are beside it.

use super::{
    BLOCK_BYTES, CONNECTION_STATE_BYTES, HTTP2_WINDOW_BYTES_MIN, KIB, LOAN_BLOCKS, LOAN_PERCENT_MAX, MEMORY_BYTES_MIN,
    MIB, REQUEST_STATE_BYTES, SQLITE_READER_CACHE_BYTES, SQLITE_READERS, SQLITE_WRITER_CACHE_BYTES, TLS_STATE_BYTES,
};

/// What connections are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP/1.1.
    Plain,
    /// TLS, and HTTP/2 where the HTTP buffer has room for its window.
    Tls,
}

/// How `--memory` is spent. Every field follows from the one number that the operator chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// What the operator asked for, in bytes.
    pub total_bytes: u64,
    /// Blocks in the pool.
    pub blocks: usize,
    /// Connections that may be open at once.
    pub connections_max: usize,
    /// Requests that may be in flight at once.
    pub requests_max: usize,
    /// Cap of hyper's read buffer per connection, in bytes. Without a cap it grows to 1 MiB.
    pub http_buffer_bytes: usize,
    /// What one connection holds without its request, in bytes.
    pub connection_bytes: u64,
    /// SQLite page caches, in bytes.
    pub sqlite_bytes: u64,
}

impl MemoryPlan {
    /// Splits `total_bytes` (raised to `MEMORY_BYTES_MIN` if it is less).
    ///
    /// - SQLite: one writer cache and `SQLITE_READERS` reader caches;
    /// - of the rest, half is the block pool: it decides throughput;
    /// - the other half is connections: an HTTP buffer, connection state and one request each.
    pub fn split(total_bytes: u64) -> Self {
        Self::split_for(total_bytes, Transport::Plain)
    }

    /// As `split`, for connections of that kind: encrypted ones cost more, so there are fewer.
    pub fn split_for(total_bytes: u64, transport: Transport) -> Self {
        let total_bytes = total_bytes.max(MEMORY_BYTES_MIN);
        let sqlite_bytes = SQLITE_WRITER_CACHE_BYTES + SQLITE_READERS as u64 * SQLITE_READER_CACHE_BYTES;
        let rest = total_bytes - sqlite_bytes;
        let pool_bytes = rest / 2;
        let http_buffer_bytes = match total_bytes / MIB {
            0..=95 => 16 * KIB,
            96..=511 => 64 * KIB,
            _ => 256 * KIB,
        };
        let transport_bytes = match transport {
            Transport::Plain => 0,
            // HTTP/2, where it is offered, buffers as much on the way out as on the way in.
            Transport::Tls if http_buffer_bytes >= HTTP2_WINDOW_BYTES_MIN as u64 => TLS_STATE_BYTES + http_buffer_bytes,
            Transport::Tls => TLS_STATE_BYTES,
        };
        let connection_bytes = http_buffer_bytes + CONNECTION_STATE_BYTES + transport_bytes;
        let connections_max = ((rest - pool_bytes) / (connection_bytes + REQUEST_STATE_BYTES)) as usize;
        Self {
            total_bytes,
            blocks: (pool_bytes / BLOCK_BYTES as u64) as usize,
            connections_max,
            requests_max: connections_max,
            http_buffer_bytes: http_buffer_bytes as usize,
            connection_bytes,
            sqlite_bytes,
        }
    }

    /// Loans of `LOAN_BLOCKS` blocks that the pool makes to so many connections.
    ///
    /// The sum holds without them. They keep the footprint level: what many connections hold comes out of blocks
    /// that many connections need no more than few do.
    pub fn loans(&self, connections: usize) -> usize {
        let loan_bytes = (LOAN_BLOCKS * BLOCK_BYTES) as u64;
        let wanted = connections as u64 * (self.connection_bytes + REQUEST_STATE_BYTES) / loan_bytes;
        let loans_max = self.blocks * LOAN_PERCENT_MAX / 100 / LOAN_BLOCKS;
        usize::try_from(wanted).unwrap_or(loans_max).min(loans_max)
    }

    /// The sum of all terms in bytes; never above `total_bytes`.
    pub fn sum_bytes(&self) -> u64 {
        self.sqlite_bytes
            + (self.blocks * BLOCK_BYTES) as u64
            + self.connections_max as u64 * self.connection_bytes
            + self.requests_max as u64 * REQUEST_STATE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::{MemoryPlan, Transport};
    use crate::limits::{BLOCK_BYTES, LOAN_BLOCKS, MIB, REQUEST_STATE_BYTES};

    #[test]
    fn the_sum_never_exceeds_the_number_that_was_chosen() {
        for mebibytes in [32, 48, 64, 96, 128, 256, 512, 1024, 16 * 1024] {
            let plan = MemoryPlan::split(mebibytes * MIB);
            assert!(plan.sum_bytes() <= plan.total_bytes, "{plan:?}");
            assert!(plan.blocks >= 32 && plan.connections_max >= 128, "{plan:?}");
            let encrypted = MemoryPlan::split_for(mebibytes * MIB, Transport::Tls);
            assert!(encrypted.sum_bytes() <= encrypted.total_bytes, "{encrypted:?}");
            assert!(
                encrypted.connections_max >= 96 && encrypted.connections_max < plan.connections_max,
                "{encrypted:?}"
            );
        }
    }

    #[test]
    fn loans_make_up_for_connections_and_leave_a_pool() {
        for mebibytes in [32, 64, 128, 1024, 16 * 1024] {
            let plan = MemoryPlan::split(mebibytes * MIB);
            assert_eq!(plan.loans(0), 0);
            for connections in 0..=plan.connections_max {
                let lent = plan.loans(connections) * LOAN_BLOCKS;
                assert!(plan.blocks - lent >= 8, "{plan:?}");
                let held = connections as u64 * (plan.connection_bytes + REQUEST_STATE_BYTES);
                assert!((lent * BLOCK_BYTES) as u64 <= held, "no more than connections hold: {plan:?}");
                assert!(plan.loans(connections) <= plan.loans(connections + 1));
            }
        }
    }
}
