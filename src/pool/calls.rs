//! Short ways to calls and streams that need no more than a target and a value.

use serde::{Serialize, de::DeserializeOwned};

use super::AwwPool;
use crate::{
    dispatch::PoolLink, error::Error, pager::PaginatedStream, request::Request, response::Response,
};

impl AwwPool {
    /// Gets `target` and reads its JSON body as a `T`, on another thread if it has 256 KiB or more.
    ///
    /// ```no_run
    /// # async fn demo(pool: vantage_api_pool::AwwPool) -> Result<(), vantage_api_pool::Error> {
    /// #[derive(serde::Deserialize)]
    /// struct Country {
    ///     name: String,
    /// }
    ///
    /// let country: Country = pool.get_json("/countries/fr").await?;
    /// println!("{}", country.name);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`request`](Self::request), and [`ErrorKind::Decode`](crate::ErrorKind::Decode) for a
    /// body that is not a `T`.
    pub async fn get_json<T: DeserializeOwned + Send + 'static>(
        &self,
        target: impl Into<String>,
    ) -> Result<T, Error> {
        let response = self.get(target).await?;
        let (link, bytes) = (PoolLink::from(self), response.body().len());
        link.run(bytes, move || response.json()).await?
    }

    /// Posts `body` to `target` as JSON. It is not retried after an ambiguous failure; for that,
    /// send [`Request::post`] with an [`idempotency_key`](Request::idempotency_key).
    ///
    /// # Errors
    /// As [`request`](Self::request), and
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) for a body that is not JSON.
    pub async fn post<T: Serialize + ?Sized>(
        &self,
        target: impl Into<String>,
        body: &T,
    ) -> Result<Response, Error> {
        self.request(Request::post(target).json(body)?).await
    }

    /// Puts `body` to `target` as JSON.
    ///
    /// # Errors
    /// As [`post`](Self::post).
    pub async fn put<T: Serialize + ?Sized>(
        &self,
        target: impl Into<String>,
        body: &T,
    ) -> Result<Response, Error> {
        self.request(Request::put(target).json(body)?).await
    }

    /// Patches `target` with `body` as JSON. As with [`post`](Self::post) it is not retried after
    /// an ambiguous failure.
    ///
    /// # Errors
    /// As [`post`](Self::post).
    pub async fn patch<T: Serialize + ?Sized>(
        &self,
        target: impl Into<String>,
        body: &T,
    ) -> Result<Response, Error> {
        self.request(Request::patch(target).json(body)?).await
    }

    /// Deletes `target`.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn delete(&self, target: impl Into<String>) -> Result<Response, Error> {
        self.request(Request::delete(target)).await
    }

    /// The items of all pages of `target`, in order, see [`PaginatedStream`].
    ///
    /// ```no_run
    /// use futures::TryStreamExt;
    /// use vantage_api_pool::{AwwPool, Paging};
    ///
    /// # async fn demo(pool: AwwPool) -> Result<(), vantage_api_pool::Error> {
    /// let mut countries = pool.stream("/countries").paging(Paging::page_number());
    /// while let Some(country) = countries.try_next().await? {
    ///     println!("{country}");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn stream(&self, target: impl Into<String>) -> PaginatedStream {
        PaginatedStream::get(self, target)
    }
}
