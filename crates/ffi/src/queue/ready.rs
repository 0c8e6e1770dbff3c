//! The descriptor that says whether completions wait. It is there once it was asked for.

use crate::error::Failure;

#[cfg(target_os = "linux")]
mod system {
    use std::{
        os::fd::{AsRawFd, OwnedFd},
        sync::{
            OnceLock,
            atomic::{AtomicBool, Ordering::SeqCst},
        },
    };

    use rustix::{
        event::{EventfdFlags, eventfd},
        io::{read, write},
    };

    use super::Failure;

    /// Set and read under the lock of the queue alone.
    #[derive(Default)]
    pub(crate) struct Ready {
        fd: OnceLock<OwnedFd>,
        is_set: AtomicBool,
    }

    impl Ready {
        pub(crate) fn new() -> Self {
            Self::default()
        }

        pub(crate) fn set(&self, is_ready: bool) {
            let Some(fd) = self.fd.get() else { return };
            if self.is_set.swap(is_ready, SeqCst) == is_ready {
                return;
            }
            // It never blocks, and nothing else writes to it or reads from it.
            let _ =
                if is_ready { write(fd, &1_u64.to_ne_bytes()) } else { read(fd, &mut [0; 8][..]) };
        }

        pub(crate) fn descriptor(&self, is_ready: bool) -> Result<i32, Failure> {
            if self.fd.get().is_none() {
                let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
                let fd = fd.map_err(|error| {
                    Failure::state(format!("the system has no descriptor: {error}"))
                })?;
                let _ = self.fd.set(fd);
                self.set(is_ready);
            }
            let fd = self.fd.get().map(AsRawFd::as_raw_fd);
            fd.ok_or_else(|| Failure::state("the system has no descriptor"))
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::Failure;

    pub(crate) struct Ready;

    impl Ready {
        pub(crate) fn new() -> Self {
            Self
        }

        pub(crate) fn set(&self, _: bool) {}

        pub(crate) fn descriptor(&self, _: bool) -> Result<i32, Failure> {
            Err(Failure::unsupported("vap_queue_fd: there are such descriptors on Linux alone"))
        }
    }
}

pub(super) use system::Ready;
