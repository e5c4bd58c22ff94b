//! The part of the check that reads small bodies.

use crate::engine::check::{CheckObserver, CheckProgress, CheckSummary, Fault};
use crate::engine::{Engine, EngineError};
use crate::limits::PAGE_MAX;
use crate::rules::scrub::SmallPlace;

impl Engine {
    /// Reads every small body and compares it with its checksum, or opens it with the key ring. What only a key opens
    /// that is not there, as a customer's, is counted.
    ///
    /// # Errors
    /// `Meta` if the check itself cannot go on.
    pub(crate) async fn check_inline(
        &self,
        (summary, progress): (&mut CheckSummary, &mut CheckProgress),
        observer: &mut dyn CheckObserver,
    ) -> Result<(), EngineError> {
        let mut place = Some(SmallPlace::default());
        while let Some(at) = place {
            let (page, next) = self.small_page(at, PAGE_MAX).await?;
            place = next;
            summary.inline += page.sound;
            summary.inline_bytes += page.sound_bytes;
            summary.shut += page.shut;
            for damage in page.damaged {
                summary.faults += damage.names.len() as u64;
                for name in damage.names {
                    observer.fault(Fault::Inline { name, detail: damage.detail.clone() });
                }
            }
            progress.rows_done += page.rows;
            observer.progress(*progress);
        }
        Ok(())
    }
}
