//! Puts an extractor in front of a stream, a table or a whole API.

use vantage_api_pool::{PaginatedStream, PoolApi, vantage::ApiTable};

use crate::extraction::Extraction;

/// What may have an extractor: a stream, a table, and all tables of an API.
///
/// ```
/// use vantage_api_extract::{Csv, Extracted};
/// use vantage_api_pool::{AwwPool, Paging, PoolApi, vantage::ApiTable};
///
/// # fn demo(pool: AwwPool) -> Result<(), vantage_api_extract::ExtractError> {
/// let cities = Csv::new().build()?.allow_empty_after_first();
/// let api = PoolApi::new(pool).table(
///     "cities",
///     ApiTable::new().path("/cities.csv").paging(Paging::page_number()).extract(&cities),
/// );
/// # Ok(()) }
/// ```
#[must_use]
pub trait Extracted: Sized {
    /// Makes the pages by this extractor. If it names the next page, pages are followed by that;
    /// a paging that is set afterwards takes precedence.
    fn extract(self, extraction: &Extraction) -> Self;
}

impl<T: Send + 'static> Extracted for PaginatedStream<T> {
    fn extract(self, extraction: &Extraction) -> Self {
        let stream = self.envelope(extraction.envelope());
        match extraction.paging() {
            Some(paging) => stream.paging(paging),
            None => stream,
        }
    }
}

impl Extracted for ApiTable {
    fn extract(self, extraction: &Extraction) -> Self {
        let table = self.envelope(extraction.envelope());
        match extraction.paging() {
            Some(paging) => table.paging(paging),
            None => table,
        }
    }
}

impl Extracted for PoolApi {
    fn extract(self, extraction: &Extraction) -> Self {
        let api = self.envelope(extraction.envelope());
        match extraction.paging() {
            Some(paging) => api.paging(paging),
            None => api,
        }
    }
}
