//! [pure] The fields of an item, in the order in which they are written.

use std::collections::HashSet;

use crate::{
    error::ExtractError,
    field::{Column, Field},
};

/// Fields with their names, before they are checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<(String, Field)>);

impl Fields {
    pub(crate) fn push(&mut self, name: String, field: Field) {
        self.0.push((name, field));
    }

    /// Adds the fields of `others` behind its own.
    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Where the fields are that have a place.
    pub(crate) fn places(&self) -> impl Iterator<Item = &str> {
        let placed = self.0.iter().filter(|(_, field)| !field.is_constant());
        placed.map(|(_, field)| field.at.as_str())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields, and the place of each that has one.
    ///
    /// # Errors
    /// [`ExtractError::Setting`] for a name that occurs twice, and for those of a field.
    pub(crate) fn compiled(self) -> Result<(Vec<Column>, Vec<Place>), ExtractError> {
        let (mut columns, mut places) = (Vec::new(), Vec::new());
        let mut names = HashSet::new();
        for (at, (name, field)) in self.0.into_iter().enumerate() {
            if !names.insert(name.clone()) {
                return Err(ExtractError::setting(format!("field {name}"), "it is set twice"));
            }
            if !field.is_constant() {
                let (place, attr) = (field.at.clone(), field.attr.clone());
                places.push(Place { column: at, place, attr });
            }
            columns.push(field.compiled(&name)?);
        }
        Ok((columns, places))
    }
}

/// Where the texts of a field are.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Which field.
    pub(crate) column: usize,
    pub(crate) place: String,
    pub(crate) attr: Option<String>,
}

/// Adds the setters that builders with fields share.
macro_rules! field_setters {
    () => {
        /// Adds a field. Fields are written in the order in which they are added.
        pub fn field(mut self, name: impl Into<String>, field: impl Into<crate::Field>) -> Self {
            self.fields.push(name.into(), field.into());
            self
        }
    };
}

pub(crate) use field_setters;
