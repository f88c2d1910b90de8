//! What a supervisor and its children are told to be. The words are OTP's.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::limits;
use crate::supervision::{Backoff, Intensity};

/// A child's name under its supervisor. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildId(Arc<str>);

impl ChildId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ChildId {
    fn from(id: &str) -> Self {
        ChildId(id.into())
    }
}

impl Borrow<str> for ChildId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which children share the fate of one that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Only the one that failed is restarted. Also the strategy of dynamic children.
    #[default]
    OneForOne,
    /// All are stopped and started again.
    OneForAll,
    /// The one that failed and all that were started after it are stopped and started again.
    RestForOne,
}

impl Strategy {
    /// The name shown in the tree.
    pub fn name(self) -> &'static str {
        match self {
            Strategy::OneForOne => "one_for_one",
            Strategy::OneForAll => "one_for_all",
            Strategy::RestForOne => "rest_for_one",
        }
    }
}

/// When a child that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// When it ended abnormally.
    Transient,
    /// Never; it is forgotten when it ends.
    Temporary,
}

/// How a child is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Killed without being asked.
    BrutalKill,
    /// Asked, and killed when it has not ended in time.
    After(Duration),
    /// Asked and waited for without end. For supervisors whose own children all have deadlines.
    Infinity,
}

impl Default for Shutdown {
    fn default() -> Self {
        Shutdown::After(limits::CHILD_SHUTDOWN)
    }
}

/// Whether the end of significant children ends the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AutoShutdown {
    /// It does not.
    #[default]
    Never,
    /// The end of any of them does.
    AnySignificant,
    /// The end of the last of them does.
    AllSignificant,
}

/// What follows when restarts exceed the intensity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnIntensity {
    /// The supervisor stops its children and fails; its own supervisor decides. Restarts of all
    /// children count together, as in OTP.
    #[default]
    Escalate,
    /// The child rests for the given time and is then tried again with a clean record. Restarts count
    /// for each child apart, so that one which fails does not tip its siblings.
    Quarantine(Duration),
}

/// What a supervisor is told to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Which children share the fate of one that fails.
    pub strategy: Strategy,
    /// How many restarts are too many; `None`: none are.
    pub intensity: Option<Intensity>,
    /// What follows then.
    pub on_intensity: OnIntensity,
    /// Whether the end of significant children ends the supervisor.
    pub auto_shutdown: AutoShutdown,
    /// Most children at a time.
    pub children_max: usize,
}

impl Default for Policy {
    /// OTP's: one_for_one, one restart in five seconds, escalation, no automatic shutdown.
    fn default() -> Self {
        Policy {
            strategy: Strategy::OneForOne,
            intensity: Some(Intensity { restarts: 1, period: Duration::from_secs(5) }),
            on_intensity: OnIntensity::Escalate,
            auto_shutdown: AutoShutdown::Never,
            children_max: limits::CHILDREN_MAX,
        }
    }
}

/// What a child is told to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChildPolicy {
    /// When it is started again.
    pub restart: Restart,
    /// How it is stopped.
    pub shutdown: Shutdown,
    /// Whether its end may end the supervisor; needs an [`AutoShutdown`], and a child that may end.
    pub significant: bool,
    /// How long its restarts wait.
    pub backoff: Backoff,
}

/// A specification contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Two children have one name.
    #[error("child {0} is specified twice")]
    Duplicate(ChildId),
    /// A child that is always restarted cannot end the supervisor by ending.
    #[error("child {0} is permanent and cannot be significant")]
    SignificantPermanent(ChildId),
    /// Nobody asked for significant children.
    #[error("child {0} is significant under a supervisor without automatic shutdown")]
    SignificantNever(ChildId),
    /// More children than allowed.
    #[error("more than {0} children")]
    TooMany(usize),
}

impl Policy {
    /// Whether a child with policy `child` may stand under this supervisor (OTP: `check_childspecs`).
    pub fn check(&self, id: &ChildId, child: &ChildPolicy) -> Result<(), SpecError> {
        if !child.significant {
            return Ok(());
        }
        if child.restart == Restart::Permanent {
            return Err(SpecError::SignificantPermanent(id.clone()));
        }
        if self.auto_shutdown == AutoShutdown::Never {
            return Err(SpecError::SignificantNever(id.clone()));
        }
        Ok(())
    }
}
