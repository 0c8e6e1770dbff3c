/*
 * vantage_pool.h: a client pool for REST APIs, copies of APIs into databases and files, and a
 * key-value store, for C and C++.
 *
 *   vap_handle pool = 0, response = 0;
 *   vap_error *error = NULL;
 *   vap_buf body;
 *   if (vap_pool_open("{base_url: https://api.example.com/v1}", VAP_NUL, &pool, &error) == VAP_OK &&
 *       vap_get(pool, "/countries", VAP_NUL, 30000, 0, &response, &error) == VAP_OK &&
 *       vap_response_body(response, &body, &error) == VAP_OK) {
 *     fwrite(body.ptr, 1, body.len, stdout);
 *     vap_buf_free(&body);
 *   }
 *   if (error) fprintf(stderr, "%s\n", vap_error_message(error));
 *   vap_error_free(&error);
 *   vap_close(&response, NULL);
 *   vap_pool_close(&pool, 1000, NULL);
 *
 * Rules for all functions
 *
 * - Any function may be called from any thread, at any time, also while others use or close the same
 *   handle. In the child of a fork of a process that has used the library every call is
 *   VAP_E_FORKED. Signals are not touched.
 * - A function that returns int32_t returns VAP_OK, another state above 0, or an error below 0.
 * - `err`, the last argument of those, may be NULL. Otherwise *err is set: to NULL, or with an error
 *   to a new error object, which belongs to the caller: see vap_error_free.
 * - Results are written only through the addresses that are given for them. With an error or another
 *   state than VAP_OK they are 0 or NULL. An address that is NULL, where a result must go, is
 *   VAP_E_ARGUMENT.
 * - Handles are numbers; 0 is none. Each belongs to the caller, who closes it with vap_close (a pool
 *   also with vap_pool_close). One that was closed, is of another kind or was made up is VAP_E_HANDLE.
 * - Texts are UTF-8, given by address and length; with the length VAP_NUL they end with a NUL. They
 *   are read during the call alone.
 * - Waits: `timeout_ms` is the longest wait of a call, 0 for none; nothing waits without a bound.
 *   `cancel` is a handle of vap_cancel_new, or 0.
 * - Settings are texts in YAML, of which JSON is a part. An unknown key is VAP_E_CONFIG.
 */
#ifndef VANTAGE_POOL_H
#define VANTAGE_POOL_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && !defined(VANTAGE_POOL_STATIC)
#define VAP_API __declspec(dllimport)
#else
#define VAP_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The length of a text that ends with a NUL. */
#define VAP_NUL SIZE_MAX

/* The version of the interface that this header describes; see vap_abi_version. */
#define VAP_ABI 1

/* States: what a call comes to that does not fail. */
#define VAP_OK 0
#define VAP_END 1        /* there is nothing more */
#define VAP_TIMEOUT 2    /* timed out after timeout_ms */
#define VAP_WOKEN 3      /* vap_queue_wake was called */
#define VAP_NOT_FOUND 4  /* there is no such key or header */
#define VAP_INCOMPLETE 5 /* a job has stopped or failed; its report says why */

/* Errors. */
#define VAP_E_HANDLE (-1)      /* the handle is invalid, was closed, or is of another kind */
#define VAP_E_ARGUMENT (-2)    /* an argument is invalid; the message names it */
#define VAP_E_CONFIG (-3)      /* settings are invalid; the message names the key */
#define VAP_E_CANCELLED (-4)   /* by vap_cancel or vap_op_cancel */
#define VAP_E_CLOSED (-5)      /* what it works on was closed while it ran */
#define VAP_E_BUSY (-6)        /* another call uses it */
#define VAP_E_FULL (-7)        /* the queue has no room; nothing was submitted */
#define VAP_E_FORKED (-8)      /* this is the child of a fork */
#define VAP_E_PANIC (-9)       /* a defect of the library */
#define VAP_E_UNSUPPORTED (-10) /* not on this system */
#define VAP_E_STATE (-11)      /* the process or the object is not in a state for it */
#define VAP_E_CALL (-12)       /* a call of the API failed; see vap_error_kind */
#define VAP_E_STORE (-13)      /* the key-value store failed; see vap_error_kind */
#define VAP_E_JOB (-14)        /* a job cannot be run */

/* Stands for an object of the library; 0 is none. */
typedef uint64_t vap_handle;

/* Why a call failed. Only its functions look inside. */
typedef struct vap_error vap_error;

/* Bytes of the library, until vap_buf_free. */
typedef struct vap_buf {
  const uint8_t *ptr; /* NULL if there are none */
  size_t len;
  uint64_t owner; /* what keeps them; 0 if there are none */
} vap_buf;

/* Bytes that belong to something else. */
typedef struct vap_slice {
  const uint8_t *ptr;
  size_t len;
} vap_slice;

/* What a completion is. */
#define VAP_RESPONSE 1   /* the end of vap_submit_send: result is a response */
#define VAP_BATCH 2      /* the end of vap_submit_next: result is a batch, or none with VAP_END */
#define VAP_EVENT 3      /* one event of vap_events_open: result is JSON, for vap_buf_take */
#define VAP_EVENTS_END 4 /* the end of the events */
#define VAP_PROGRESS 5   /* one commit of a job of vap_job_watch: result is JSON */
#define VAP_REPORT 6     /* the end of a job: result is its report in JSON */

/* What comes out of a queue. `result` and `error` belong to the caller. */
typedef struct vap_completion {
  uint64_t tag;      /* the number that was given when it was submitted */
  vap_handle op;     /* the operation; closed, unless it is an event or progress */
  vap_handle result; /* what it gives, or 0 */
  vap_error *error;  /* why it failed, or NULL */
  int32_t code;      /* VAP_OK or another state, or the code of the error */
  uint32_t what;     /* VAP_RESPONSE and so on */
} vap_completion;

/* Takes one line of what the library tells: 1 error, 2 warning, 3 information, 4 debug, 5 trace. The
 * texts last for the call. */
typedef void (*vap_log_fn)(int32_t level, const char *target, const char *message, void *context);

/* ---- Texts in JSON ---------------------------------------------------------------------------
 *
 * They are maps with these keys, and later ones may have more. `_ms` is milliseconds, other times are
 * seconds; both may have a fraction. `?` is what may be null. Where nothing else is said it is a whole
 * number.
 *
 * durations  count, total, mean, p50, p90, p99, max: how many times, and their sum, mean, percentiles
 *            and longest, in seconds
 *
 * vap_pool_stats, since the pool was opened:
 *   elapsed                seconds since then
 *   calls_ok, calls_failed, calls_cancelled, calls_refused (the queue was full)
 *   calls_open             calls that have not ended
 *   attempts, retries, hedges, hedges_won, cancelled (attempts)
 *   retries_denied         retries that the retry budget did not allow
 *   status_2xx, status_3xx, status_4xx, status_5xx   complete responses
 *   transport_errors       attempts without a complete response
 *   rate_limited           responses that say so, as 429 does
 *   malformed_limit_headers
 *   rate_limit?, rate?     requests per second, with a fraction: as set, and as allowed now
 *   breaker                "closed", "open" or "half-open"
 *   breaker_openings, breaker_refusals (calls), token_refreshes, worker_restarts
 *   pages, items, paging_warnings   of streams
 *   connections_opened, connections_open (now)
 *   bytes_received         of bodies, decompressed
 *   latency                durations of attempts with a response
 *   waits                  a map of queue, rate, token, breaker, backoff, hold: durations of calls that
 *                          waited for a connection, the rate limit, a token, the breaker, before a
 *                          retry, and because the API asked for it
 *   size, serving          workers as set, and those that take calls
 *   workers                a list of maps: worker (its number, from 0), calls_ok, calls_failed,
 *                          attempts, restarts, latency (durations)
 *
 * events, by `event`; `call`, `attempt` (from 1) and `worker` (from 0) are those of the attempt:
 *   attempt_started        call, attempt, worker
 *   attempt_ended          call, attempt, worker, latency_ms, and one of status, failed (the kind of an
 *                          error) and cancelled (true)
 *   retry_scheduled        call, attempt, worker, wait_ms, reason (the kind of an error), status?
 *   page_read              page (its number), rows
 *   paging_warning         page, message (a text)
 *   breaker_changed        from and to ("closed", "open", "half_open"), open_for_ms?
 *   hold_set               wait_ms: nothing is sent for so long, as the API asked
 *   token_held             slot (the number of the token, from 0), wait_ms
 *   origin_held            origin (scheme, host and port), wait_ms
 *   rate_changed           rate? (requests per second, with a fraction), cause ("set", "refusals",
 *                          "quota", "other")
 *   limit_unread           field: the name of a rate limit header that was ignored
 *   token_refreshed        slot
 *   token_refresh_failed   slot, cooldown_ms
 *   worker_blocked, worker_back, worker_died, worker_restarted   worker
 *   missed                 events: how many were lost, as nobody took them
 *   other                  one of a kind that this version does not know
 *
 * counts     pages, read, written, rejected, repeated: pages, and rows that were read, written, set
 *            aside, and read again and left out; declared?: rows as the API counts them
 *
 * progress of a stream of a job:
 *   stream                 its name
 *   run                    the number of the run, from 1
 *   counts                 counts of what the run has committed
 *   before                 counts of what of that was committed before this start
 *
 * report of a job:
 *   job                    its name
 *   streams                a list of maps, one for each stream:
 *     stream, run, counts  as above
 *     outcome              "complete", "stopped" or "failed"
 *     error                a text, if it failed
 *     remarks              a list of texts: what does not add up, and what to know
 *     seconds              how long it took
 *
 * vap_kv_stats, since the store was opened:
 *   values, value_bytes, expiring (values with a time to live), file_bytes   now
 *   commits, failed_commits
 *   writes                 calls that commits have carried out
 *   preconditions_failed   calls that a precondition refused
 *   expired                values that were removed
 *   reads                  values that were looked for
 *   reopened               how often the file was opened again after a failure
 *   is_available           true or false: whether the store can be used
 */

/* ---- The library ---------------------------------------------------------------------------- */

/* The version of the interface. Within one number functions and codes are only added; the shared
 * library of another has another soname. */
VAP_API uint32_t vap_abi_version(void);

/* The release of the library, such as "0.1.0". */
VAP_API const char *vap_version(void);

/* Has what the library tells, up to `level`, go to `function`; with NULL to none. It is called on
 * any thread, several at a time, and holds no lock of the library, so it may call the library. It may
 * still be called once after it was replaced, so `context` must last as long as the process. No
 * secret, no query string and no body is told. */
VAP_API int32_t vap_set_log(int32_t level, vap_log_fn function, void *context, vap_error **err);

/* Closes a handle of any kind and makes it 0; 0 is nothing. What waits on it ends with
 * VAP_E_CLOSED, and so do its requests: those of a pool (as vap_pool_close without a drain), a
 * stream, a queue. The run of a job that is closed commits what it has read and ends. */
VAP_API int32_t vap_close(vap_handle *handle, vap_error **err);

/* How many handles are open in this process, for tests of leaks. */
VAP_API size_t vap_handles_open(void);

/* ---- Errors: each function takes NULL as well ------------------------------------------------ */

/* The code, as the function returned it; 0 for NULL. */
VAP_API int32_t vap_error_code(const vap_error *error);

/* A stable name in lower case, such as "status", "rate_limited" or "deadline_exceeded". It lasts as
 * long as the error; NULL for NULL. */
VAP_API const char *vap_error_kind(const vap_error *error);

/* What went wrong, in words and without secrets. It lasts as long as the error; NULL for NULL. */
VAP_API const char *vap_error_message(const vap_error *error);

/* The status of the response, or 0 if there was none. */
VAP_API int32_t vap_error_status(const vap_error *error);

/* How many attempts were made; 0 if nothing was sent. */
VAP_API uint32_t vap_error_attempts(const vap_error *error);

/* The wait that the API asked for and that was too long, in milliseconds; -1 if that is not why. */
VAP_API int64_t vap_error_retry_after_ms(const vap_error *error);

/* The page of a stream that failed, or -1. */
VAP_API int64_t vap_error_page(const vap_error *error);

/* 1 if the same call may work later. That it is safe to make it again is another matter: see
 * vap_error_delivery. */
VAP_API int32_t vap_error_is_retryable(const vap_error *error);

/* What the server has seen: 0 nothing, 1 perhaps something, 2 all, as it has answered. */
VAP_API int32_t vap_error_delivery(const vap_error *error);

/* The length of the body of the response, of which at most `max_error_body_bytes` were read, and its
 * address, which lasts as long as the error. `body` may be NULL. */
VAP_API size_t vap_error_body(const vap_error *error, const uint8_t **body);

/* Frees an error and makes the pointer NULL. */
VAP_API void vap_error_free(vap_error **error);

/* ---- Bytes ---------------------------------------------------------------------------------- */

/* The bytes behind the result of a completion that is JSON. They are freed by vap_buf_free, or the
 * result is closed by vap_close, but not both. */
VAP_API int32_t vap_buf_take(vap_handle result, vap_buf *out, vap_error **err);

/* Frees bytes and makes them none; a second time is nothing. */
VAP_API void vap_buf_free(vap_buf *buf);

/* ---- Cancellation --------------------------------------------------------------------------- */

/* Makes a handle that calls can be given, to be ended by other threads. */
VAP_API int32_t vap_cancel_new(vap_handle *out, vap_error **err);

/* Ends all calls that were given this handle, with VAP_E_CANCELLED, and their requests. So do calls
 * that are given it later. */
VAP_API int32_t vap_cancel(vap_handle cancel, vap_error **err);

/* Lets the handle be used again. */
VAP_API int32_t vap_cancel_reset(vap_handle cancel, vap_error **err);

/* ---- Pools ---------------------------------------------------------------------------------- */

/* Opens a pool. `config` has the settings: `base_url` is required. Nothing is sent.
 *
 *   base_url: https://api.example.com/v1
 *   auth: { bearer: { env: API_TOKEN } }
 *   rate_limit: 10            # requests per second
 *   workers: 3
 *   call_timeout: 1m
 */
VAP_API int32_t vap_pool_open(const char *config, size_t config_len, vap_handle *out,
                              vap_error **err);

/* Ends a pool: refuses new calls, lets those under way end for at most `drain_ms`, ends the others
 * with VAP_E_CLOSED, waits for the threads of the pool and makes the handle 0. */
VAP_API int32_t vap_pool_close(vap_handle *pool, uint32_t drain_ms, vap_error **err);

/* What a pool has done: see "Texts in JSON". */
VAP_API int32_t vap_pool_stats(vap_handle pool, vap_buf *out, vap_error **err);

/* Sets the rate limit in requests per second; 0 takes it away. It is in force at once. */
VAP_API int32_t vap_pool_set_rate(vap_handle pool, double requests_per_second, vap_error **err);

/* Sets the number of workers, 1 to 1024. */
VAP_API int32_t vap_pool_resize(vap_handle pool, uint32_t workers, vap_error **err);

/* Has the token of a number, from 0, be fetched or read again before its next use. */
VAP_API int32_t vap_pool_invalidate_token(vap_handle pool, uint32_t slot, vap_error **err);

/* Replaces the token of a number, from 0, by another one. The settings must have bearer tokens by
 * value, `auth: {bearer: TOKEN}` or a list of them; otherwise it is VAP_E_STATE. From when it returns
 * no attempt begins with the old one. */
VAP_API int32_t vap_pool_set_token(vap_handle pool, uint32_t slot, const char *token,
                                   size_t token_len, vap_error **err);

/* Gets a path below the base URL, with an optional query, and waits for the response. A response
 * that is not a success (2xx) is VAP_E_CALL of the kind "status", after the retries that are safe. After
 * VAP_TIMEOUT the call was cancelled. */
VAP_API int32_t vap_get(vap_handle pool, const char *path, size_t path_len, uint32_t timeout_ms,
                        vap_handle cancel, vap_handle *out, vap_error **err);

/* ---- Requests ------------------------------------------------------------------------------- */

/* Makes a request, which can be sent as often as wanted. */
VAP_API int32_t vap_request_new(const char *method, size_t method_len, const char *path,
                                size_t path_len, vap_handle *out, vap_error **err);

/* Sets a header, in place of earlier values. */
VAP_API int32_t vap_request_header(vap_handle request, const char *name, size_t name_len,
                                   const char *value, size_t value_len, vap_error **err);

/* Adds a field to the query, percent-encoded. */
VAP_API int32_t vap_request_query(vap_handle request, const char *name, size_t name_len,
                                  const char *value, size_t value_len, vap_error **err);

/* Sets the body to a copy of these bytes. Its type is the header `content-type`. */
VAP_API int32_t vap_request_body(vap_handle request, const uint8_t *body, size_t body_len,
                                 vap_error **err);

/* Sets how long the call may take as a whole, queueing, waits and retries included, instead of
 * `call_timeout` of the pool. It then ends with the kind "deadline_exceeded". */
VAP_API int32_t vap_request_timeout_ms(vap_handle request, uint32_t timeout_ms, vap_error **err);

/* Sets the priority among calls that wait: -1 low, 0 normal, 1 high. */
VAP_API int32_t vap_request_priority(vap_handle request, int32_t priority, vap_error **err);

/* Sends `Idempotency-Key`, which allows retries whatever the method. */
VAP_API int32_t vap_request_idempotency_key(vap_handle request, const char *key, size_t key_len,
                                            vap_error **err);

/* Sends a request, as vap_get. */
VAP_API int32_t vap_send(vap_handle pool, vap_handle request, uint32_t timeout_ms,
                         vap_handle cancel, vap_handle *out, vap_error **err);

/* ---- Responses ------------------------------------------------------------------------------ */

/* The status. */
VAP_API int32_t vap_response_status(vap_handle response, int32_t *out, vap_error **err);

/* The body, not copied; it may outlive the response. */
VAP_API int32_t vap_response_body(vap_handle response, vap_buf *out, vap_error **err);

/* The first value of a header, or VAP_NOT_FOUND. */
VAP_API int32_t vap_response_header(vap_handle response, const char *name, size_t name_len,
                                    vap_buf *out, vap_error **err);

/* All headers, each as "name: value\r\n". */
VAP_API int32_t vap_response_headers(vap_handle response, vap_buf *out, vap_error **err);

/* ---- Streams -------------------------------------------------------------------------------- */

/* Opens a stream: the items of a paged endpoint, in order, with pages fetched ahead. Nothing is
 * requested before the first vap_stream_next. `options` may be NULL:
 *
 *   prefetch: 8                 # pages in flight or in memory; 3 by default
 *   byte_budget: 67108864       # bytes of pages in memory
 *   paging: { by: page, size_param: per_page, size: 100 }   # see below
 *   envelope: { items: result.rows, total: result.count }   # where a page has its items
 *   mode: parallel              # parallel, overlap, sequential, dedicated_thread
 *   priority: low               # low, normal, high
 *   max_rows: 1000000           # more is an error, as of max_pages and max_page_items
 *   deadline: 5m                # of the whole read
 *   resume: TOKEN               # of vap_batch_token
 *
 * `by` is how the API pages, with the keys that each needs; others are those of `paging` in a
 * description:
 *
 *   page            a number in `param` ("page"), from `first`
 *   offset          the rows before the page, in `param`
 *   range           rows in the header Range, in `unit` ("items")
 *   cursor          a cursor that a page has at the path `next`, in `param`
 *   header_cursor   a cursor that a page has in the field `header`, in `param`
 *   keyset          the value of the last row at the path `field`, in `param`
 *   next_url        a URL that a page has at the path `next`
 *   link            the URL in the header Link with rel=next
 *   export          the parts of an export that is ordered first
 *   auto            one of these, found out from the first page
 *   none            there is one page
 */
VAP_API int32_t vap_stream_open(vap_handle pool, const char *path, size_t path_len,
                                const char *options, size_t options_len, vap_handle *out,
                                vap_error **err);

/* Waits for the next page, and takes along those that have arrived, as long as the batch has at most
 * `max_items` items and `max_bytes` bytes; 0 is 1,000 items and 1 MiB. A batch has whole pages, so
 * one page may be more than that, and at least one item. VAP_END after the last one. VAP_TIMEOUT and VAP_E_CANCELLED lose
 * nothing: the next call goes on. An error ends the stream; further calls have the same. One call at
 * a time: others are VAP_E_BUSY. */
VAP_API int32_t vap_stream_next(vap_handle stream, size_t max_items, size_t max_bytes,
                                uint32_t timeout_ms, vap_handle cancel, vap_handle *out,
                                vap_error **err);

/* The items of a batch and how many there are: the text of each as it came, in UTF-8, which was not
 * checked for being valid JSON. They last as long as the batch. */
VAP_API int32_t vap_batch_items(vap_handle batch, const vap_slice **items, size_t *count,
                                vap_error **err);

/* How many bytes the pages of a batch have. */
VAP_API int32_t vap_batch_bytes(vap_handle batch, size_t *out, vap_error **err);

/* The number of the last page of a batch, as the API counts. */
VAP_API int32_t vap_batch_page(vap_handle batch, uint64_t *out, vap_error **err);

/* A token with which another stream of the same path and options goes on after this batch, as
 * `resume`. In another process it is accepted if the pool there has the same `signing_key`. It may
 * hold what the API put into cursors and URLs, so keep it as a secret. */
VAP_API int32_t vap_batch_token(vap_handle batch, vap_buf *out, vap_error **err);

/* ---- Queues: many calls on few threads ------------------------------------------------------- */

/* Opens a queue for at most so many operations that are under way or whose completions were not
 * taken, 1 to 1048576, and for as many events and progress beside them. */
VAP_API int32_t vap_queue_open(size_t capacity, vap_handle *out, vap_error **err);

/* Waits for completions and takes up to `max` of them. VAP_TIMEOUT and VAP_WOKEN come without any. */
VAP_API int32_t vap_queue_next(vap_handle queue, vap_completion *out, size_t max, size_t *count,
                               uint32_t timeout_ms, vap_error **err);

/* Ends one wait of vap_queue_next, now or, if there is none, the next. */
VAP_API int32_t vap_queue_wake(vap_handle queue, vap_error **err);

/* A descriptor that can be read from (POLLIN) while completions wait or a wake does, for epoll and
 * event loops, and from the end of the queue on. Call vap_queue_next with a timeout of 0 then, and do
 * not read from it. It belongs to the queue. Linux only: elsewhere VAP_E_UNSUPPORTED. */
VAP_API int32_t vap_queue_fd(vap_handle queue, int32_t *out, vap_error **err);

/* Sends a request. Its completion is VAP_RESPONSE, with the kind "deadline_exceeded" after
 * `timeout_ms`. `op` can be cancelled until the completion was taken, which closes it. */
VAP_API int32_t vap_submit_send(vap_handle pool, vap_handle request, uint32_t timeout_ms,
                                vap_handle queue, uint64_t tag, vap_handle *op, vap_error **err);

/* Reads from a stream, as vap_stream_next. Its completion is VAP_BATCH. */
VAP_API int32_t vap_submit_next(vap_handle stream, size_t max_items, size_t max_bytes,
                                uint32_t timeout_ms, vap_handle queue, uint64_t tag,
                                vap_handle *op, vap_error **err);

/* Has the events of a pool go to a queue, each as VAP_EVENT: see "Texts in JSON". Those that find no
 * room are counted by the next event, `missed`.
 * It ends with VAP_EVENTS_END, when it is cancelled, or the pool has ended and its streams are
 * closed. */
VAP_API int32_t vap_events_open(vap_handle pool, vap_handle queue, uint64_t tag, vap_handle *op,
                                vap_error **err);

/* Cancels an operation. Its completion comes nevertheless, with VAP_E_CANCELLED unless it had ended
 * before. The requests end at once. */
VAP_API int32_t vap_op_cancel(vap_handle op, vap_error **err);

/* ---- Jobs: copies of an API into SQLite, PostgreSQL or files ---------------------------------- */

/* Opens the job `name` of a description in YAML. `variables` is a map of the values of its `${NAME}`,
 * or NULL; others are looked up in the environment. */
VAP_API int32_t vap_job_open(const char *description, size_t description_len,
                             const char *variables, size_t variables_len, const char *name,
                             size_t name_len, vap_handle *out, vap_error **err);

/* Starts a run, on a thread of its own; VAP_E_BUSY if there is one. It goes on after the last commit
 * of the run before it. */
VAP_API int32_t vap_job_start(vap_handle job, vap_error **err);

/* Has the run commit what was read, and end. The next one goes on there. */
VAP_API int32_t vap_job_stop(vap_handle job, vap_error **err);

/* What each stream has committed last in this run, as a list of the progress of each: see "Texts in
 * JSON". */
VAP_API int32_t vap_job_progress(vap_handle job, vap_buf *out, vap_error **err);

/* Waits for the end of the run, and gives its report (see "Texts in JSON"): VAP_OK if every stream is complete,
 * VAP_INCOMPLETE if not, VAP_TIMEOUT while it runs. */
VAP_API int32_t vap_job_wait(vap_handle job, uint32_t timeout_ms, vap_handle cancel, vap_buf *out,
                             vap_error **err);

/* Tells a queue of the commits of a run, each as VAP_PROGRESS, and of its end as VAP_REPORT with the
 * code VAP_OK or VAP_INCOMPLETE. Progress that finds no room is left out: the next has it, too. What
 * each stream has committed last is told before the report, also if the run had ended before. */
VAP_API int32_t vap_job_watch(vap_handle job, vap_handle queue, uint64_t tag, vap_handle *op,
                              vap_error **err);

/* ---- The key-value store --------------------------------------------------------------------- */

/* Opens the store in a file, or makes it. One process, and one handle, at a time. `options` may be
 * NULL:
 *
 *   max_value_bytes: 8388608        # of one value; 8 MiB by default, at most 64 MiB
 *   cache_bytes: 67108864           # of the file in memory; 64 MiB by default
 *   max_in_flight_bytes: 67108864   # of values on their way; at least max_value_bytes, at most 4 GiB
 *   quota: 1000000000               # of all values, with 1 KiB more for each; no bound by default
 *   timeout: 10s                    # of a wait for a turn, and then for the disk; 1 ms to 1 h
 */
VAP_API int32_t vap_kv_open(const char *path, size_t path_len, const char *options,
                            size_t options_len, vap_handle *out, vap_error **err);

/* Reads a value, or VAP_NOT_FOUND. Keys are 1 to 1024 bytes of UTF-8 without control characters. */
VAP_API int32_t vap_kv_get(vap_handle kv, const char *key, size_t key_len, uint32_t timeout_ms,
                           vap_handle cancel, vap_buf *out, vap_error **err);

/* Writes a value. With VAP_OK it is on the disk. It is gone after `ttl_ms`, unless that is 0. After
 * VAP_TIMEOUT or VAP_E_CANCELLED it may have been written. */
VAP_API int32_t vap_kv_put(vap_handle kv, const char *key, size_t key_len, const uint8_t *value,
                           size_t value_len, uint64_t ttl_ms, uint32_t timeout_ms,
                           vap_handle cancel, vap_error **err);

/* Deletes a value, or VAP_NOT_FOUND. */
VAP_API int32_t vap_kv_delete(vap_handle kv, const char *key, size_t key_len, uint32_t timeout_ms,
                              vap_handle cancel, vap_error **err);

/* Lists at most `limit` keys, 1 to 1000, that begin with `prefix` and come after `after`; both may be
 * NULL. In JSON: {"keys": [{"key", "size", "content_type"}], "next": what to give as `after`, or null}. */
VAP_API int32_t vap_kv_list(vap_handle kv, const char *prefix, size_t prefix_len,
                            const char *after, size_t after_len, size_t limit,
                            uint32_t timeout_ms, vap_handle cancel, vap_buf *out, vap_error **err);

/* What a store has and has done: see "Texts in JSON". */
VAP_API int32_t vap_kv_stats(vap_handle kv, vap_buf *out, vap_error **err);

#ifdef __cplusplus
}
#endif

#endif
