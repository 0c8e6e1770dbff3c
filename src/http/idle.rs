//! Closes connections that stay unused. awc looks at an idle connection only
//! when it wants to use it, so closed ones would pile up without this.

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::{Rc, Weak},
    task::Poll,
    time::Duration,
};

/// The shortest time between two looks at the idle connections.
const MIN_TURN: Duration = Duration::from_millis(50);

/// A stream that can say whether it is idle.
pub(super) trait Quiet {
    /// Whether the stream is open and nothing has come that was not read yet. Asks the system,
    /// since what the runtime knows of the socket dates from its last turn.
    fn is_quiet(&self) -> bool;
}

#[derive(Clone, Copy, PartialEq)]
enum Use {
    Busy,
    Idle,
    /// Idle since before the sweeper's last look.
    IdleForATurn,
}

/// A stream that the sweeper closes when it is idle for too long.
pub(super) struct Line<S> {
    stream: RefCell<Option<S>>,
    current: Cell<Use>,
}

impl<S: Quiet + Unpin> Line<S> {
    pub(super) fn new(stream: S) -> Rc<Self> {
        Rc::new(Self { stream: RefCell::new(Some(stream)), current: Cell::new(Use::Busy) })
    }

    pub(super) fn set_idle(&self, is_idle: bool) {
        self.current.set(if is_idle { Use::Idle } else { Use::Busy });
    }

    /// Polls the stream; once it was closed that is an error.
    pub(super) fn poll<T>(
        &self,
        poll: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut *self.stream.borrow_mut() {
            Some(stream) => poll(Pin::new(stream)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Whether the stream is open and has nothing to read.
    pub(super) fn is_quiet(&self) -> bool {
        self.stream.borrow().as_ref().is_some_and(Quiet::is_quiet)
    }

    fn sweep(&self) {
        match self.current.get() {
            Use::Busy => {}
            Use::Idle if self.is_quiet() => self.current.set(Use::IdleForATurn),
            Use::Idle | Use::IdleForATurn => *self.stream.borrow_mut() = None,
        }
    }
}

/// Looks at all connections of one client once per idle timeout, while there are any. One that
/// stays unused is closed after one to two idle timeouts, one that the server closed after one.
pub(super) struct Sweeper<S> {
    lines: Rc<RefCell<Vec<Weak<Line<S>>>>>,
    is_running: Rc<Cell<bool>>,
    turn: Duration,
}

impl<S: Quiet + Unpin + 'static> Sweeper<S> {
    pub(super) fn new(idle_timeout: Duration) -> Self {
        Self { lines: Rc::default(), is_running: Rc::default(), turn: idle_timeout.max(MIN_TURN) }
    }

    pub(super) fn watch(&self, line: &Rc<Line<S>>) {
        let mut lines = self.lines.borrow_mut();
        if lines.len() == lines.capacity() {
            lines.retain(is_open);
        }
        lines.push(Rc::downgrade(line));
        if !self.is_running.replace(true) {
            actix_rt::spawn(self.clone().run());
        }
    }

    async fn run(self) {
        while !self.lines.borrow().is_empty() {
            actix_rt::time::sleep(self.turn).await;
            let mut lines = self.lines.borrow_mut();
            lines.iter().filter_map(Weak::upgrade).for_each(|line| line.sweep());
            lines.retain(is_open);
        }
        self.is_running.set(false);
    }
}

fn is_open<S>(line: &Weak<Line<S>>) -> bool {
    line.upgrade().is_some_and(|line| line.stream.borrow().is_some())
}

impl<S> Clone for Sweeper<S> {
    fn clone(&self) -> Self {
        Self {
            lines: Rc::clone(&self.lines),
            is_running: Rc::clone(&self.is_running),
            turn: self.turn,
        }
    }
}
