//! A call of a component: an instance of its own, what it is given and gives back, as the interface
//! in `wit/` says, and what it may cost.

use std::sync::Arc;

use wasmtime::{
    ResourceLimiter, Store, Trap, UpdateDeadline,
    component::{
        ComponentExportIndex, ComponentNamedList, ComponentType, Instance, Lift, Lower, TypedFunc,
    },
};

use super::{compiled::Compiled, engine::Running};
use crate::{error::ExtractError, limits::Budget};

const INTERFACE: &str = "vantage:extract/extractor@1.0.0";
/// The most instances of modules, tables and memories in one component.
const PARTS: usize = 256;
/// The bytes of an element of a table.
const ELEMENT: usize = 16;
/// What wasmtime says when more is given back than was allowed; the type of that error has no name.
const TOO_MUCH: &str = "fuel allocated for hostcalls has been exhausted";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "its values come from components")]
pub(super) enum Encoding {
    #[component(name = "as-sent")]
    AsSent,
    #[component(name = "text")]
    Text,
}

#[derive(Debug, ComponentType, Lift)]
#[component(record)]
pub(super) struct Description {
    #[component(name = "content-types")]
    pub(super) content_types: Vec<String>,
    pub(super) encoding: Encoding,
    #[component(name = "names-next")]
    pub(super) names_next: bool,
}

#[derive(ComponentType, Lower)]
#[component(variant)]
pub(super) enum PageBody<'p> {
    #[component(name = "bytes")]
    Bytes(&'p [u8]),
    #[component(name = "text")]
    Text(&'p str),
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Page<'p> {
    pub(super) body: PageBody<'p>,
    #[component(name = "content-type")]
    pub(super) content_type: Option<&'p str>,
    pub(super) url: Option<&'p str>,
    pub(super) index: u64,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Extracted {
    pub(super) items: Vec<String>,
    pub(super) next: Option<String>,
    pub(super) total: Option<u64>,
}

/// Why a call gave nothing back.
pub(super) enum Fault {
    /// A limit of the page, or nobody waits for it.
    Page(ExtractError),
    /// It trapped, or it is not what the interface says.
    Guest(String),
}

impl From<wasmtime::Error> for Fault {
    fn from(error: wasmtime::Error) -> Self {
        match (error.downcast_ref::<ExtractError>(), error.downcast_ref::<Trap>()) {
            (Some(own), _) => Self::Page(own.clone()),
            (None, Some(trap)) => Self::Guest(trap.to_string()),
            (None, None) => Self::Guest(error.root_cause().to_string()),
        }
    }
}

/// What a component may cost, besides the time of the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// The bytes of its own memory.
    pub(super) memory: usize,
    /// The bytes that it gives back.
    pub(super) given_back: usize,
}

/// A component in the middle of a call.
pub(super) struct Guest {
    store: Store<State>,
    instance: Instance,
    interface: ComponentExportIndex,
    _running: Running,
}

impl Guest {
    /// A new instance.
    pub(super) fn new(
        compiled: &Arc<Compiled>,
        allowance: Allowance,
        budget: Budget,
    ) -> Result<Self, Fault> {
        let running = compiled.runtime.running();
        let state = State { budget, used: 0, memory: allowance.memory };
        let mut store = Store::new(&compiled.runtime.engine, state);
        store.limiter(|state| state);
        store.set_hostcall_fuel(allowance.given_back);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            store.data().budget.check()?;
            Ok(UpdateDeadline::Continue(1))
        });
        let instance = compiled.instances.instantiate(&mut store)?;
        let interface = instance.get_export_index(&mut store, None, INTERFACE);
        let interface = interface.ok_or_else(|| missing(INTERFACE))?;
        Ok(Self { store, instance, interface, _running: running })
    }

    pub(super) fn describe(mut self) -> Result<Description, Fault> {
        // It has the other function as well.
        self.function::<(Page<'_>,), (Result<Extracted, String>,)>("extract")?;
        let describe = self.function::<(), (Description,)>("describe")?;
        let (description,) = describe.call(&mut self.store, ())?;
        Ok(description)
    }

    /// # Errors
    /// Also [`Fault::Page`] with the limit `memory` if it gives more back than it may.
    pub(super) fn extract(mut self, page: Page<'_>) -> Result<Result<Extracted, String>, Fault> {
        let extract = self.function::<(Page<'_>,), (Result<Extracted, String>,)>("extract")?;
        let called = extract.call(&mut self.store, (page,));
        match called.map_err(Fault::from) {
            Ok((extracted,)) => Ok(extracted),
            Err(Fault::Guest(reason)) if reason.contains(TOO_MUCH) => {
                Err(Fault::Page(self.store.data().budget.limits.exceeded("memory")))
            }
            Err(fault) => Err(fault),
        }
    }

    fn function<P, R>(&mut self, name: &'static str) -> Result<TypedFunc<P, R>, Fault>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let index = self.instance.get_export_index(&mut self.store, Some(&self.interface), name);
        let index = index.ok_or_else(|| missing(name))?;
        self.instance.get_typed_func(&mut self.store, index).map_err(|error| {
            let reason = error.root_cause();
            Fault::Guest(format!("`{name}` is not as the interface says: {reason}"))
        })
    }
}

fn missing(export: &str) -> Fault {
    Fault::Guest(format!("it does not export `{export}`"))
}

/// What belongs to a call. It counts the memory of all parts of the component together.
pub(super) struct State {
    budget: Budget,
    used: usize,
    memory: usize,
}

impl State {
    fn grow(&mut self, bytes: usize) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(bytes);
        if used > self.memory {
            let allowed = format!("{} bytes", self.memory);
            return Err(ExtractError::Limit { limit: "wasm_memory", allowed }.into());
        }
        self.used = used;
        Ok(true)
    }
}

impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|most| desired > most) {
            return Ok(false);
        }
        self.grow(desired.saturating_sub(current))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|most| desired > most) {
            return Ok(false);
        }
        self.grow(desired.saturating_sub(current).saturating_mul(ELEMENT))
    }

    fn instances(&self) -> usize {
        PARTS
    }

    fn tables(&self) -> usize {
        PARTS
    }

    fn memories(&self) -> usize {
        PARTS
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::limits::Limits;

    // eastreams/loong#720: what runs before the first call has a time as well.
    #[test]
    fn code_that_runs_when_an_instance_is_made_is_stopped() {
        let text = r#"(component
            (core module $code (func $endless (loop (br 0))) (start $endless))
            (core instance (instantiate $code)))"#;
        let compiled = Compiled::of(&wat::parse_str(text).unwrap()).unwrap();
        let limits = Limits::default().time(Duration::from_millis(20));
        let budget = Budget::begin(limits, Instant::now(), Arc::default());
        let allowance = Allowance { memory: 1 << 20, given_back: 1 << 10 };
        match Guest::new(&compiled, allowance, budget) {
            Err(Fault::Page(error)) => assert_eq!(error.limit(), Some("time")),
            Err(Fault::Guest(reason)) => panic!("{reason}"),
            Ok(_) => panic!("it ends"),
        }
    }
}
