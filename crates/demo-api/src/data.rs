//! [pure] The rows: 50 real countries, and 64 cities in each, of which only the name of the capital
//! is real. The rows are the same in every run.

use serde_json::{Value, json};

const CITIES_PER_COUNTRY: usize = 64;
const SEED: u64 = 1815;

pub(crate) struct Data {
    /// `{name, code, capital, continent, population}`, by name.
    pub(crate) countries: Vec<Value>,
    /// `{id, name, country, population, is_capital}`, by id.
    pub(crate) cities: Vec<Value>,
}

impl Data {
    pub(crate) fn generate() -> Self {
        let countries = COUNTRIES.map(|(name, code, capital, continent, thousands)| {
            json!({
                "name": name,
                "code": code,
                "capital": capital,
                "continent": continent,
                "population": thousands * 1000,
            })
        });
        let mut random = fastrand::Rng::with_seed(SEED);
        let mut cities = Vec::with_capacity(COUNTRIES.len() * CITIES_PER_COUNTRY);
        for (country, _, capital, _, thousands) in COUNTRIES {
            for rank in 1..=CITIES_PER_COUNTRY as u64 {
                let is_capital = rank == 1;
                let name = if is_capital { capital.into() } else { city_name(&mut random) };
                cities.push(json!({
                    "id": cities.len() + 1,
                    "name": name,
                    "country": country,
                    // Zipf's law: the n-th city has about an n-th of the population of the first
                    // one.
                    "population": thousands * random.u64(15..25) / rank,
                    "is_capital": is_capital,
                }));
            }
        }
        Self { countries: countries.to_vec(), cities }
    }
}

fn city_name(random: &mut fastrand::Rng) -> String {
    let mut part = |parts: &[&'static str]| parts[random.usize(..parts.len())];
    format!("{}{}{}", part(&STARTS), part(&MIDDLES), part(&ENDS))
}

const STARTS: [&str; 20] = [
    "Al", "Bar", "Cal", "Dor", "El", "Far", "Gran", "Hal", "Is", "Kar", "Lin", "Mor", "Nor", "Or",
    "Pel", "Ros", "San", "Tor", "Val", "West",
];
const MIDDLES: [&str; 12] = ["a", "be", "co", "da", "en", "i", "la", "mi", "no", "ra", "se", "u"];
const ENDS: [&str; 14] = [
    "bridge", "burg", "dale", "field", "ford", "gate", "haven", "mont", "port", "ros", "stad",
    "ton", "ville", "wick",
];

/// Name, ISO 3166 code, capital, continent, and population in thousands, around 2023.
const COUNTRIES: [(&str, &str, &str, &str, u64); 50] = [
    ("Argentina", "AR", "Buenos Aires", "South America", 46_650),
    ("Australia", "AU", "Canberra", "Oceania", 26_640),
    ("Austria", "AT", "Vienna", "Europe", 9_130),
    ("Bangladesh", "BD", "Dhaka", "Asia", 172_950),
    ("Belgium", "BE", "Brussels", "Europe", 11_820),
    ("Brazil", "BR", "Brasília", "South America", 216_420),
    ("Canada", "CA", "Ottawa", "North America", 40_100),
    ("Chile", "CL", "Santiago", "South America", 19_630),
    ("China", "CN", "Beijing", "Asia", 1_410_710),
    ("Colombia", "CO", "Bogotá", "South America", 52_090),
    ("Côte d'Ivoire", "CI", "Yamoussoukro", "Africa", 28_870),
    ("Czechia", "CZ", "Prague", "Europe", 10_870),
    ("Denmark", "DK", "Copenhagen", "Europe", 5_950),
    ("Egypt", "EG", "Cairo", "Africa", 112_720),
    ("Ethiopia", "ET", "Addis Ababa", "Africa", 126_530),
    ("Finland", "FI", "Helsinki", "Europe", 5_580),
    ("France", "FR", "Paris", "Europe", 68_170),
    ("Germany", "DE", "Berlin", "Europe", 83_280),
    ("Ghana", "GH", "Accra", "Africa", 34_120),
    ("Greece", "GR", "Athens", "Europe", 10_360),
    ("Hungary", "HU", "Budapest", "Europe", 9_590),
    ("Iceland", "IS", "Reykjavík", "Europe", 390),
    ("India", "IN", "New Delhi", "Asia", 1_428_630),
    ("Indonesia", "ID", "Jakarta", "Asia", 277_530),
    ("Ireland", "IE", "Dublin", "Europe", 5_260),
    ("Italy", "IT", "Rome", "Europe", 58_760),
    ("Japan", "JP", "Tokyo", "Asia", 124_520),
    ("Kenya", "KE", "Nairobi", "Africa", 55_100),
    ("Latvia", "LV", "Riga", "Europe", 1_880),
    ("Mexico", "MX", "Mexico City", "North America", 128_460),
    ("Morocco", "MA", "Rabat", "Africa", 37_840),
    ("Netherlands", "NL", "Amsterdam", "Europe", 17_880),
    ("New Zealand", "NZ", "Wellington", "Oceania", 5_220),
    ("Nigeria", "NG", "Abuja", "Africa", 223_800),
    ("Norway", "NO", "Oslo", "Europe", 5_520),
    ("Pakistan", "PK", "Islamabad", "Asia", 240_490),
    ("Peru", "PE", "Lima", "South America", 34_350),
    ("Philippines", "PH", "Manila", "Asia", 117_340),
    ("Poland", "PL", "Warsaw", "Europe", 36_690),
    ("Portugal", "PT", "Lisbon", "Europe", 10_530),
    ("Romania", "RO", "Bucharest", "Europe", 19_060),
    ("South Africa", "ZA", "Pretoria", "Africa", 60_410),
    ("South Korea", "KR", "Seoul", "Asia", 51_710),
    ("Spain", "ES", "Madrid", "Europe", 48_370),
    ("Sweden", "SE", "Stockholm", "Europe", 10_540),
    ("Switzerland", "CH", "Bern", "Europe", 8_850),
    ("Thailand", "TH", "Bangkok", "Asia", 71_800),
    ("United Kingdom", "GB", "London", "Europe", 68_350),
    ("United States", "US", "Washington, D.C.", "North America", 334_910),
    ("Vietnam", "VN", "Hanoi", "Asia", 98_860),
];
