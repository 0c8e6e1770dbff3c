//! The key-value store by other names: those of the pool of mantisDB, whose programs may so be built
//! against this library. `include/mantis_pool.h` documents them.

use std::{
    collections::HashMap,
    env,
    mem::MaybeUninit,
    os::raw::{c_char, c_int},
    ptr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tempfile::TempDir;
use vantage_api_gateway::kv::{Kv, Precondition, Put, Settings};

use crate::{
    arguments::{bytes, text},
    border::border,
    error::Failure,
    handles::{TABLE, vap_handle},
    kv::{Store, key},
};

/// The variable of the environment that names the file of the store.
const PATH: &str = "VANTAGE_KV_PATH";
/// How long one operation may take.
const OPERATION_MS: u32 = 60_000;

/// The most connections of a pool.
const MOST: usize = 1 << 16;

/// What a pool is called; never there as a value.
#[derive(Debug)]
pub struct PoolHandle(());

/// What a connection is called; never there as a value.
#[derive(Debug)]
pub struct ConnectionHandle(());

/// What a pool has and has done.
#[derive(Debug, Default)]
#[repr(C)]
pub struct CPoolStats {
    /// Connections that are there.
    pub total_connections: usize,
    /// Those that are in use.
    pub active_connections: usize,
    /// Those that are not.
    pub idle_connections: usize,
    /// How often a connection was waited for.
    pub wait_count: u64,
    /// How long on average.
    pub avg_wait_time_ms: u64,
    /// How many connections were made.
    pub connections_created: u64,
    /// How many were closed for being idle.
    pub connections_closed: u64,
    /// How often the store could not be used when a connection was asked for.
    pub health_check_failures: u64,
}

/// A store, and how many may use it at a time.
pub(crate) struct Connections {
    store: Store,
    leases: Mutex<Leases>,
    released: Condvar,
    min: usize,
    max: usize,
    max_idle: Duration,
    timeout: Duration,
    /// Where the store is if no file was named; gone with it.
    _folder: Option<TempDir>,
}

#[derive(Default)]
struct Leases {
    is_closed: bool,
    /// Since when each that is idle is.
    idle: Vec<Instant>,
    active: usize,
    created: u64,
    closed: u64,
    waits: u64,
    waited: Duration,
    unavailable: u64,
}

/// One of the uses at a time; given back when it is dropped.
pub(crate) struct Connection(Arc<Connections>);

impl Drop for Connection {
    fn drop(&mut self) {
        let mut leases = self.0.leases();
        leases.active -= 1;
        leases.idle.push(Instant::now());
        drop(leases);
        self.0.released.notify_one();
    }
}

impl Connections {
    fn open(
        min: usize,
        max: usize,
        max_idle: Duration,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        if !(1..=MOST).contains(&max) {
            return Err(Failure::argument(format!("max_connections: must be 1 to {MOST}")));
        }
        if min > max {
            return Err(Failure::argument("min_connections: must not be above max_connections"));
        }
        let (path, folder) = match env::var_os(PATH).filter(|path| !path.is_empty()) {
            Some(path) => (path.into(), None),
            None => {
                let folder = TempDir::with_prefix("vantage-kv-");
                let folder = folder.map_err(|error| Failure::state(error.to_string()))?;
                (folder.path().join("values.redb"), Some(folder))
            }
        };
        let store = Store::new(Kv::open(path, Settings::default())?);
        let idle = vec![Instant::now(); min];
        let leases = Leases { idle, created: min as u64, ..Leases::default() };
        let (leases, released) = (Mutex::new(leases), Condvar::new());
        Ok(Self { store, leases, released, min, max, max_idle, timeout, _folder: folder })
    }

    fn leases(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the connection that was used last, or a new one, or waits.
    fn acquire(self: &Arc<Self>) -> Result<Connection, Failure> {
        let start = Instant::now();
        let is_available = self.store.kv()?.is_available();
        let mut leases = self.leases();
        leases.unavailable += u64::from(!is_available);
        if leases.active >= self.max {
            leases.waits += 1;
            while leases.active >= self.max && !leases.is_closed {
                let left = self.timeout.saturating_sub(start.elapsed());
                if left.is_zero() {
                    leases.waited += start.elapsed();
                    return Err(Failure::busy("all connections are in use"));
                }
                let waited = self.released.wait_timeout(leases, left);
                leases = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            leases.waited += start.elapsed();
        }
        if leases.is_closed {
            return Err(Failure::closed());
        }
        self.close_idle(&mut leases);
        if leases.idle.pop().is_none() {
            leases.created += 1;
        }
        leases.active += 1;
        Ok(Connection(Arc::clone(self)))
    }

    /// Forgets those that were idle for too long, but for the least number.
    fn close_idle(&self, leases: &mut Leases) {
        let (now, total) = (Instant::now(), leases.idle.len() + leases.active);
        let most = total.saturating_sub(self.min);
        let is_old = |since: &&Instant| now.duration_since(**since) > self.max_idle;
        // The oldest come first.
        let old = leases.idle.iter().take_while(is_old).count().min(most);
        leases.idle.drain(..old);
        leases.closed += old as u64;
    }

    pub(crate) fn close(&self) {
        self.leases().is_closed = true;
        self.released.notify_all();
        self.store.close();
    }
}

/// A pointer that is never read, and never one to memory: its highest bit is set.
fn as_pointer<T>(handle: vap_handle) -> *mut T {
    ptr::without_provenance_mut(handle as usize)
}

fn as_handle<T>(pointer: *mut T) -> vap_handle {
    pointer.addr() as vap_handle
}

/// Tells what a function without an error object fails by.
fn told(result: Result<(), Failure>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(failure) => {
            tracing::warn!("{failure:?}");
            -1
        }
    }
}

fn connection(conn: *mut ConnectionHandle) -> Result<Arc<Connection>, Failure> {
    TABLE.get::<Connection>(as_handle(conn))
}

/// Opens the store that the environment names, or a new one; NULL if that fails.
#[unsafe(no_mangle)]
pub extern "C" fn mantis_pool_new(
    min_connections: c_int,
    max_connections: c_int,
    max_idle_seconds: c_int,
    connection_timeout_seconds: c_int,
) -> *mut PoolHandle {
    border!(or ptr::null_mut(), {
        let opened = || {
            crate::fork::check()?;
            let number = |value: c_int| {
                u32::try_from(value).map_err(|_| Failure::argument("a setting is negative"))
            };
            let seconds = |value| number(value).map(|value| Duration::from_secs(value.into()));
            let connections = Connections::open(
                number(min_connections)? as usize,
                number(max_connections)? as usize,
                seconds(max_idle_seconds)?,
                seconds(connection_timeout_seconds)?,
            )?;
            TABLE.insert(Arc::new(connections))
        };
        let mut handle = 0;
        told(opened().map(|opened| handle = opened));
        as_pointer(handle)
    })
}

/// Takes a connection; NULL if there is none in time.
#[unsafe(no_mangle)]
pub extern "C" fn mantis_pool_acquire(pool: *mut PoolHandle) -> *mut ConnectionHandle {
    border!(or ptr::null_mut(), {
        let acquired = || {
            crate::fork::check()?;
            let pool = TABLE.get::<Connections>(as_handle(pool))?;
            TABLE.insert(Arc::new(pool.acquire()?))
        };
        let mut handle = 0;
        told(acquired().map(|acquired| handle = acquired));
        as_pointer(handle)
    })
}

/// Gives a connection back.
#[unsafe(no_mangle)]
pub extern "C" fn mantis_pool_release(conn: *mut ConnectionHandle) {
    border!(or(), { drop(TABLE.take::<Connection>(as_handle(conn))) });
}

/// The values that were handed out, by their addresses.
static VALUES: Mutex<Option<HashMap<usize, Box<[u8]>>>> = Mutex::new(None);

/// Reads a value: 0, or -1 if there is none or it cannot be read.
///
/// # Safety
/// `key` is NULL, or a text that ends with a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_get(
    conn: *mut ConnectionHandle,
    key_text: *const c_char,
    value_out: Option<&mut MaybeUninit<*mut u8>>,
    value_len_out: Option<&mut MaybeUninit<usize>>,
) -> c_int {
    border!(or - 1, {
        let (Some(value_out), Some(len_out)) = (value_out, value_len_out) else { return -1 };
        value_out.write(ptr::null_mut());
        len_out.write(0);
        // SAFETY: the caller's contract.
        let key_text = unsafe { text("key", key_text, usize::MAX) };
        let mut is_found = false;
        let read = || {
            let (conn, key) = (connection(conn)?, key(key_text?)?);
            let store = &conn.0.store;
            let kv = store.kv()?;
            if let Some(Some(value)) = store.wait(kv.get(&key), OPERATION_MS, None)? {
                let value = value.into_bytes();
                let len = value.len();
                // One more byte, so that an empty value has an address of its own.
                let mut value: Box<[u8]> = value.iter().copied().chain([0]).collect();
                value_out.write(value.as_mut_ptr());
                len_out.write(len);
                let mut values = VALUES.lock().unwrap_or_else(PoisonError::into_inner);
                values.get_or_insert_default().insert(value.as_ptr().addr(), value);
                is_found = true;
            }
            Ok(())
        };
        let failed = told(read());
        if is_found { failed } else { -1 }
    })
}

/// Writes a value: 0, or -1.
///
/// # Safety
/// `key` is NULL, or a text that ends with a NUL; `value` is NULL, or has as many bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_put(
    conn: *mut ConnectionHandle,
    key_text: *const c_char,
    value: *const u8,
    value_len: usize,
) -> c_int {
    border!(or - 1, {
        // SAFETY: the caller's contract.
        let key_text = unsafe { text("key", key_text, usize::MAX) };
        // SAFETY: the caller's contract.
        let value = unsafe { bytes("value", value, value_len) };
        told((|| {
            let (conn, key) = (connection(conn)?, key(key_text?)?);
            let store = &conn.0.store;
            let put = Put::new(Bytes::copy_from_slice(value?));
            let kv = store.kv()?;
            let done = store.wait(kv.put(key, put), OPERATION_MS, None)?;
            done.map(drop).ok_or_else(Failure::timeout)
        })())
    })
}

/// Deletes a value, which need not be there: 0, or -1.
///
/// # Safety
/// `key` is NULL, or a text that ends with a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_delete(
    conn: *mut ConnectionHandle,
    key_text: *const c_char,
) -> c_int {
    border!(or - 1, {
        // SAFETY: the caller's contract.
        let key_text = unsafe { text("key", key_text, usize::MAX) };
        told((|| {
            let (conn, key) = (connection(conn)?, key(key_text?)?);
            let store = &conn.0.store;
            let kv = store.kv()?;
            let delete = kv.delete(key, Precondition::default());
            store.wait(delete, OPERATION_MS, None)?.map(drop).ok_or_else(Failure::timeout)
        })())
    })
}

/// What a pool has and has done: 0, or -1.
#[unsafe(no_mangle)]
pub extern "C" fn mantis_pool_stats(
    pool: *mut PoolHandle,
    stats_out: Option<&mut MaybeUninit<CPoolStats>>,
) -> c_int {
    border!(or - 1, {
        let Some(out) = stats_out else { return -1 };
        out.write(CPoolStats::default());
        told(TABLE.get::<Connections>(as_handle(pool)).map(|pool| {
            let mut leases = pool.leases();
            pool.close_idle(&mut leases);
            let waited = leases.waited.as_millis().checked_div(leases.waits.into());
            out.write(CPoolStats {
                total_connections: leases.active + leases.idle.len(),
                active_connections: leases.active,
                idle_connections: leases.idle.len(),
                wait_count: leases.waits,
                avg_wait_time_ms: waited.unwrap_or_default() as u64,
                connections_created: leases.created,
                connections_closed: leases.closed,
                health_check_failures: leases.unavailable,
            });
        }))
    })
}

/// Closes the store. Connections that were not released fail from then on.
#[unsafe(no_mangle)]
pub extern "C" fn mantis_pool_destroy(pool: *mut PoolHandle) {
    border!(or(), {
        if let Ok(pool) = TABLE.take::<Connections>(as_handle(pool)) {
            pool.close();
        }
    });
}

/// Frees a value that was read.
#[unsafe(no_mangle)]
pub extern "C" fn mantis_free_value(ptr: *mut u8, _len: usize) {
    border!(or(), {
        if crate::fork::check().is_err() {
            return;
        }
        let mut values = VALUES.lock().unwrap_or_else(PoisonError::into_inner);
        let value = values.as_mut().and_then(|values| values.remove(&ptr.addr()));
        drop(values);
        drop(value);
    });
}
