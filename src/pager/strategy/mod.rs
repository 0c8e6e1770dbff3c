//! [pure] How an API splits a set into pages: the settings of every way to page (`paging`,
//! `setters`, `end_settings`), what is true of each (`properties`), and the parameters they turn
//! into, in the query or in a `body`. `address` says where a page is, `plan` decides which page comes
//! next, `end_of_set` has the table of what ends a set, `next_page` reads what a page says about the
//! page after it, and `keyset` what its last row says. `detect` decides by a first page how others
//! follow, `follow_up` how those are requested that are elsewhere. `windows` cut a set in time; each `window` is a set to all others.
//!
//! # How to add a new paging strategy
//!
//! For one API: implement [`PageStrategy`], which decides after each page what to request next,
//! and give it to [`Paging::custom`]. Nothing changes here.
//!
//! For all users: add a variant to `Mode` with the fields that its data form takes, and a
//! constructor of [`Paging`] that makes it, both in `paging`. The compiler then names each place
//! that must know the variant: what it is called in errors (`properties`), which settings it has
//! (`setters`), where it begins, which addresses it reads and by which parameter (`parameters`),
//! and where a page names the next one (`next_page`). What it does not ask: whether places can be
//! computed (`Paging::is_addressable`), else each page names the next one; whether pages hold URLs
//! (`Paging::is_led_by_urls`); and which settings contradict the variant (`check`).
//! A place of a new kind is a variant of `PageAddress`. What ends a set is the same for all. An entry
//! in `tests/suite/battery/ways` sends it through all tests that the others have passed.

mod address;
mod body;
mod check;
mod custom;
mod detect;
mod end_of_set;
mod end_settings;
mod export;
mod follow_up;
mod keyset;
mod known_rows;
mod last_row;
mod link;
mod moment;
mod next_page;
mod paging;
mod parameters;
mod plan;
mod position;
mod properties;
mod seen;
mod setters;
mod split_windows;
mod window;
mod windows;

pub(crate) use address::PageAddress;
pub use address::UrlPart;
pub use custom::{PageRequest, PageStrategy, PageView};
pub(super) use detect::FirstPage;
pub(super) use end_of_set::{Continuation, Statement, Verdict};
pub use export::Export;
pub(super) use export::JobState;
pub use follow_up::FollowUp;
pub(super) use keyset::PagingFault;
pub(super) use last_row::LastRow;
pub use moment::{MomentFormat, day_of, moment_of};
pub(super) use next_page::{PageMetadata, is_zero, read_pointer, resolved};
use paging::Mode;
pub use paging::Paging;
pub(super) use parameters::FollowUpPart;
pub(super) use plan::{Observation, Plan, Stride};
pub(super) use position::Position;
pub(super) use seen::Seen;
pub(super) use window::Window;
pub use windows::{WindowBounds, Windows};
