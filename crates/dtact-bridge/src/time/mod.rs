//! Time: sleeping, timeouts, intervals, and a clock for tests.
//!
//! | file | owns |
//! | --- | --- |
//! | `sleep`, `timeout`, `interval` | the futures |
//! | `clock` | what time it is, and the clock that a test moves |
//! | `home` | which timers a sleep is armed with |
//! | `timers` | the timers of one thread |
//! | `wheel` | the lists they hang in |
//! | `timer`, `entry` | one of them, and who may do what with it |
//! | `stack` | a lock-free stack, for those that others give back |
//!
//! There is no thread for timers. A worker sleeps until its next timer is due, if it has nothing
//! else to do, and looks at its timers between two fibers, if it has. A timer belongs to the thread
//! that arms it; arming is a few plain stores. To cancel it from elsewhere is one exchange of its
//! state word and a push.
//!
//! When a worker's thread blocks, its timers go to whoever takes over: the wheel as a whole.

mod clock;
mod entry;
mod home;
mod interval;
mod sleep;
mod stack;
mod timeout;
mod timer;
pub(crate) mod timers;
mod wheel;

pub use clock::VirtualClock;
pub(crate) use home::in_loop;
pub use interval::{Interval, interval};
pub use sleep::{Sleep, now, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout};
pub(crate) use wheel::Owned as Wheel;
