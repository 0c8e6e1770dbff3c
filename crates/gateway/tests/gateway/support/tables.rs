//! Tables in memory: ten cities of three countries.

use ciborium::Value;
use vantage_types::Record;
use vantage_vista::{
    Column, ColumnFlag, JoinKey, Reference, Vista, VistaMetadata, mocks::MockShell,
};

/// `(id, name, country, population)`, in the order of the table.
pub(crate) const CITIES: [(&str, &str, &str, i64); 10] = [
    ("1", "Berlin", "DE", 3_700_000),
    ("2", "Bonn", "DE", 330_000),
    ("3", "Cologne", "DE", 1_080_000),
    ("4", "Paris", "FR", 2_100_000),
    ("5", "Lyon", "FR", 520_000),
    ("6", "Nice", "FR", 340_000),
    ("7", "Riga", "LV", 605_000),
    ("8", "Liepaja", "LV", 67_000),
    ("9", "Ventspils", "LV", 33_000),
    ("10", "Jelgava", "LV", 55_000),
];

pub(crate) fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// A row of the table of cities, with a secret of its own.
pub(crate) fn city(id: &str, name: &str, country: &str, population: i64) -> Record<Value> {
    Record::from_iter([
        ("id".to_owned(), text(id)),
        ("name".to_owned(), text(name)),
        ("country".to_owned(), text(country)),
        ("population".to_owned(), Value::from(population)),
        ("secret".to_owned(), text(&format!("canary-{id}"))),
    ])
}

fn metadata() -> VistaMetadata {
    VistaMetadata::new()
        .with_column(Column::new("id", "string").with_flag(ColumnFlag::Id))
        .with_column(
            Column::new("name", "string")
                .with_flag(ColumnFlag::Orderable)
                .with_flag(ColumnFlag::Searchable)
                .with_flag(ColumnFlag::Mandatory),
        )
        .with_column(Column::new("country", "string"))
        .with_column(Column::new("population", "i64").with_flag(ColumnFlag::Orderable))
        .with_column(Column::new("secret", "string").with_flag(ColumnFlag::Hidden))
        .with_id_column("id")
}

/// The table of cities, whose handle sees and changes what a Vista of it serves.
pub(crate) fn cities_mock() -> MockShell {
    let mock = MockShell::new().with_metadata(metadata());
    for (id, name, country, population) in CITIES {
        mock.set_record(id, city(id, name, country, population));
    }
    mock
}

pub(crate) fn cities() -> Vista {
    Vista::new("cities", cities_mock())
}

/// The table of countries, each with its `cities`, and with a contained `capital`.
pub(crate) fn countries() -> Vista {
    let metadata = VistaMetadata::new()
        .with_column(Column::new("id", "string").with_flag(ColumnFlag::Id))
        .with_column(Column::new("name", "string"))
        .with_id_column("id")
        .with_reference(Reference::has_many("cities", "cities", JoinKey::new("id", "country")));
    let mock = MockShell::new().with_metadata(metadata).with_ref_target("cities", cities_mock());
    for (id, name) in [("DE", "Germany"), ("FR", "France"), ("LV", "Latvia")] {
        let row = [("id".to_owned(), text(id)), ("name".to_owned(), text(name))];
        mock.set_record(id, Record::from_iter(row));
    }
    Vista::new("countries", mock)
}
