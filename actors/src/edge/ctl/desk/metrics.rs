//! The numbers.

use tsup_core::wire::verb::Body;

use super::Desk;

impl Desk {
    pub(super) fn metrics(&self) -> Body {
        Body::Metrics(self.parts.metrics.doc())
    }
}
