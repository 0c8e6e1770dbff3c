//! Handles: numbers that stand for objects. A number that is invalid is found out, whatever it is.

use std::{
    mem,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use vantage_api_pool::Response;

use crate::{
    batch::Batch,
    border::{ErrorSlot, State, border},
    cancel::Cancel,
    error::Failure,
    fork,
    job::RunningJob,
    kv::Store,
    mantis::{Connection, Connections},
    queue::Queue,
    request::Draft,
    stream::Stream,
    tokens::Pool,
};

/// Stands for an object of the library. 0 is none.
#[allow(non_camel_case_types, reason = "the name in C")]
pub type vap_handle = u64;

/// What an operation in a queue is cancelled by.
pub(crate) type Operation = CancellationToken;

/// Objects of one kind.
pub(crate) trait Kind: Sized {
    /// What it is called.
    const NAME: &'static str;

    fn of(object: &Object) -> Option<&Arc<Self>>;
    fn into_object(self: Arc<Self>) -> Object;
}

macro_rules! kinds {
    ($($variant:ident($type:ty) = $name:literal,)*) => {
        /// What a handle stands for.
        #[derive(Clone)]
        pub(crate) enum Object {
            $($variant(Arc<$type>),)*
        }

        impl Object {
            fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                }
            }
        }

        $(impl Kind for $type {
            const NAME: &'static str = $name;

            fn of(object: &Object) -> Option<&Arc<Self>> {
                match object {
                    Object::$variant(object) => Some(object),
                    _ => None,
                }
            }

            fn into_object(self: Arc<Self>) -> Object {
                Object::$variant(self)
            }
        })*
    };
}

kinds! {
    Pool(Pool) = "a pool",
    Request(Draft) = "a request",
    Response(Response) = "a response",
    Stream(Stream) = "a stream",
    Batch(Batch) = "a batch",
    Cancel(Cancel) = "a cancellation",
    Queue(Queue) = "a queue",
    Operation(Operation) = "an operation",
    Bytes(Bytes) = "a buffer",
    Kv(Store) = "a key-value store",
    Job(RunningJob) = "a job",
    Connections(Connections) = "a pool of the key-value store",
    Connection(Connection) = "a connection of the key-value store",
}

const SHARDS: usize = 16;
/// The bits of a handle below its generation that do not name the shard.
const MOST_SLOTS: usize = 1 << 28;
/// Always set, so that no small number and no address is a handle.
const MARK: u32 = 1 << 31;

/// All handles of the process.
pub(crate) static TABLE: LazyLock<Table> = LazyLock::new(|| {
    fork::watch();
    Table { next: AtomicUsize::new(0), shards: Default::default() }
});

pub(crate) struct Table {
    next: AtomicUsize,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    slots: Vec<Slot>,
    free: Vec<usize>,
}

struct Slot {
    /// Another one for each object that was here.
    generation: u32,
    object: Option<Object>,
}

/// Where a handle leads.
struct Address {
    shard: usize,
    slot: usize,
    generation: u32,
}

impl Address {
    fn of(handle: vap_handle) -> Self {
        let low = handle as u32 as usize;
        Self { shard: low % SHARDS, slot: low / SHARDS, generation: (handle >> 32) as u32 }
    }

    fn handle(&self) -> vap_handle {
        u64::from(self.generation) << 32 | (self.slot * SHARDS + self.shard) as u64
    }
}

impl Table {
    /// Gives an object a handle.
    pub(crate) fn insert<T: Kind>(&self, object: Arc<T>) -> Result<vap_handle, Failure> {
        self.insert_object(object.into_object())
    }

    /// Gives an object a handle.
    pub(crate) fn insert_object(&self, object: Object) -> Result<vap_handle, Failure> {
        fork::check()?;
        let number = self.next.fetch_add(1, Relaxed) % SHARDS;
        let mut shard = self.shard(number);
        let shard = &mut *shard;
        let at = match shard.free.pop() {
            Some(at) => at,
            None if shard.slots.len() < MOST_SLOTS => {
                let generation = MARK | FIRST_GENERATION.wrapping_add(number as u32);
                shard.slots.push(Slot { generation, object: None });
                shard.slots.len() - 1
            }
            None => return Err(Failure::state("there are too many handles")),
        };
        let Some(slot) = shard.slots.get_mut(at) else {
            return Err(Failure::state("there is no slot for a handle"));
        };
        slot.object = Some(object);
        Ok(Address { shard: number, slot: at, generation: slot.generation }.handle())
    }

    /// The object of a handle.
    pub(crate) fn get<T: Kind>(&self, handle: vap_handle) -> Result<Arc<T>, Failure> {
        fork::check()?;
        let address = Address::of(handle);
        let shard = self.shard(address.shard);
        let object = shard.object(&address).ok_or_else(|| unknown::<T>())?;
        T::of(object).cloned().ok_or_else(|| other::<T>(object))
    }

    /// The object of a handle, which leads nowhere from then on.
    pub(crate) fn take<T: Kind>(&self, handle: vap_handle) -> Result<Arc<T>, Failure> {
        fork::check()?;
        let address = Address::of(handle);
        let mut shard = self.shard(address.shard);
        let object = shard.object(&address).ok_or_else(|| unknown::<T>())?;
        let object = T::of(object).cloned().ok_or_else(|| other::<T>(object))?;
        let taken = shard.take(&address);
        drop(shard);
        drop(taken);
        Ok(object)
    }

    /// Takes whatever a handle leads to.
    fn take_any(&self, handle: vap_handle) -> Option<Object> {
        let address = Address::of(handle);
        self.shard(address.shard).take(&address)
    }

    fn shard(&self, number: usize) -> MutexGuard<'_, Shard> {
        // The remainder of a division by the number of shards names one.
        self.shards[number % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> usize {
        let count =
            |number| self.shard(number).slots.iter().filter(|slot| slot.object.is_some()).count();
        (0..SHARDS).map(count).sum()
    }
}

/// Where generations begin, another number for each process, so that a handle of one is none in
/// another.
static FIRST_GENERATION: LazyLock<u32> = LazyLock::new(|| {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) as u32
});

impl Shard {
    fn object(&self, address: &Address) -> Option<&Object> {
        let slot = self.slots.get(address.slot)?;
        slot.object.as_ref().filter(|_| slot.generation == address.generation)
    }

    fn take(&mut self, address: &Address) -> Option<Object> {
        let slot = self.slots.get_mut(address.slot)?;
        if slot.generation != address.generation {
            return None;
        }
        let object = mem::take(&mut slot.object)?;
        slot.generation = MARK | slot.generation.wrapping_add(1);
        self.free.push(address.slot);
        Some(object)
    }
}

fn unknown<T: Kind>() -> Failure {
    Failure::handle(format!("the handle is not {}: it is invalid, or was closed", T::NAME))
}

fn other<T: Kind>(object: &Object) -> Failure {
    Failure::handle(format!("the handle is {}, not {}", object.name(), T::NAME))
}

/// Closes a handle of any kind and makes it 0.
#[unsafe(no_mangle)]
pub extern "C" fn vap_close(handle: Option<&mut vap_handle>, err: ErrorSlot<'_>) -> i32 {
    border!(err, {
        let handle = handle.ok_or_else(|| Failure::argument("handle: is NULL"))?;
        let closed = mem::take(handle);
        if closed == 0 {
            return Ok(State::Ok);
        }
        let object = TABLE.take_any(closed);
        let object =
            object.ok_or_else(|| Failure::handle("the handle is invalid, or was closed before"))?;
        close(object);
        Ok(State::Ok)
    })
}

/// What closing means beside that the handle is gone. What is running on an object ends.
fn close(object: Object) {
    match object {
        Object::Pool(pool) => crate::pool::shut_down(&pool, 0),
        Object::Stream(stream) => stream.close(),
        Object::Queue(queue) => queue.close(),
        Object::Operation(operation) => operation.cancel(),
        Object::Job(job) => job.close(),
        Object::Kv(store) => store.close(),
        Object::Connections(connections) => connections.close(),
        // Nothing runs on these.
        Object::Cancel(_)
        | Object::Request(_)
        | Object::Response(_)
        | Object::Batch(_)
        | Object::Bytes(_)
        | Object::Connection(_) => {}
    }
}

/// How many handles are open.
#[unsafe(no_mangle)]
pub extern "C" fn vap_handles_open() -> usize {
    border!(or 0, { fork::check().map_or(0, |()| TABLE.open()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table { next: AtomicUsize::new(0), shards: Default::default() }
    }

    #[test]
    fn a_handle_that_was_taken_or_invented_leads_nowhere() {
        let table = table();
        let handle = table.insert(Arc::new(Bytes::from_static(b"x"))).unwrap();
        for none in [0, 1, u64::MAX, handle ^ 1, handle ^ 1 << 32, handle ^ 1 << 63] {
            assert!(table.get::<Bytes>(none).is_err(), "{none:x}");
        }
        let said = table.get::<Cancel>(handle).unwrap_err();
        assert!(format!("{said:?}").contains("is a buffer, not a cancellation"));
        assert_eq!(*table.take::<Bytes>(handle).unwrap(), "x");
        assert!(table.take::<Bytes>(handle).is_err());
        assert_eq!(table.open(), 0);
    }

    #[test]
    fn a_slot_that_is_used_again_has_another_handle() {
        let table = table();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..SHARDS * 100 {
            let handle = table.insert(Arc::new(Cancel::default())).unwrap();
            assert!(handle >> 63 == 1 && seen.insert(handle));
            table.take::<Cancel>(handle).unwrap();
        }
        let slots: usize = (0..SHARDS).map(|number| table.shard(number).slots.len()).sum();
        assert_eq!(slots, SHARDS);
    }
}
