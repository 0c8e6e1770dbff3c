/* Queues: completions, their descriptor, cancellation, events, a watched job, and what is refused. */
#include <poll.h>
#include <unistd.h>

#include "check.h"
#include "mantis_pool.h"

static int lines;

static void count_line(int32_t level, const char *target, const char *message, void *context) {
  CHECK(level >= 1 && level <= 5 && target != NULL && message != NULL && context == &lines);
  __atomic_add_fetch(&lines, 1, __ATOMIC_SEQ_CST);
}

/* Takes one completion. */
static vap_completion taken(vap_handle queue) {
  vap_completion done;
  size_t count = 0;
  GIVES(VAP_OK, vap_queue_next(queue, &done, 1, &count, LONG_MS, &error));
  CHECK(count == 1);
  return done;
}

static int becomes_readable(int fd) {
  struct pollfd polled;
  polled.fd = fd;
  polled.events = POLLIN;
  return poll(&polled, 1, LONG_MS) == 1;
}

static int readable(int fd) {
  struct pollfd polled;
  polled.fd = fd;
  polled.events = POLLIN;
  return poll(&polled, 1, 0) == 1;
}

static void completions(vap_handle pool) {
  vap_handle queue = 0, request = 0, slow = 0, op = 0, stale;
  vap_completion done[8];
  size_t count = 1, got = 0;
  int32_t fd = -1, status;
  char seen[8] = {0};
  GIVES(VAP_E_ARGUMENT, vap_queue_open(0, &queue, &error));
  GIVES(VAP_E_ARGUMENT, vap_queue_open(1, NULL, &error));
  GIVES(VAP_OK, vap_queue_open(8, &queue, &error));
  GIVES(VAP_OK, vap_queue_fd(queue, &fd, &error));
  CHECK(!readable(fd));
  GIVES(VAP_TIMEOUT, vap_queue_next(queue, done, 8, &count, 0, &error));
  CHECK(count == 0);
  GIVES(VAP_OK, vap_queue_wake(queue, &error));
  CHECK(readable(fd));
  GIVES(VAP_WOKEN, vap_queue_next(queue, done, 8, &count, LONG_MS, &error));
  CHECK(!readable(fd));

  GIVES(VAP_OK, vap_request_new("GET", VAP_NUL, "/ok", VAP_NUL, &request, &error));
  for (uint64_t tag = 0; tag < 8; tag++) {
    GIVES(VAP_OK, vap_submit_send(pool, request, LONG_MS, queue, tag, &op, &error));
    CHECK(op != 0);
  }
  SAYS(VAP_E_FULL, "8 operations", vap_submit_send(pool, request, LONG_MS, queue, 9, &op, &error));
  CHECK(op == 0);
  while (got < 8) {
    CHECK(becomes_readable(fd));
    GIVES(VAP_OK, vap_queue_next(queue, done, 3, &count, 0, &error));
    CHECK(count >= 1 && count <= 3);
    for (size_t at = 0; at < count; at++) {
      CHECK(done[at].what == VAP_RESPONSE && done[at].code == VAP_OK && done[at].error == NULL);
      CHECK(done[at].tag < 8 && !seen[done[at].tag]);
      seen[done[at].tag] = 1;
      GIVES(VAP_OK, vap_response_status(done[at].result, &status, &error));
      CHECK(status == 200);
      GIVES(VAP_OK, vap_close(&done[at].result, &error));
      /* The operation is closed. */
      GIVES(VAP_E_HANDLE, vap_op_cancel(done[at].op, &error));
    }
    got += count;
  }
  CHECK(!readable(fd));

  /* curl #22272: a wake must not be lost beside completions. */
  GIVES(VAP_OK, vap_submit_send(pool, request, LONG_MS, queue, 9, &op, &error));
  done[0] = taken(queue);
  GIVES(VAP_OK, vap_close(&done[0].result, &error));
  GIVES(VAP_OK, vap_submit_send(pool, request, LONG_MS, queue, 10, &op, &error));
  CHECK(becomes_readable(fd));
  GIVES(VAP_OK, vap_queue_wake(queue, &error));
  GIVES(VAP_OK, vap_queue_wake(queue, &error));
  done[0] = taken(queue);
  GIVES(VAP_OK, vap_close(&done[0].result, &error));
  CHECK(readable(fd));
  GIVES(VAP_WOKEN, vap_queue_next(queue, done, 8, &count, LONG_MS, &error));
  /* curl #21547: and it must not be readable for ever. */
  CHECK(!readable(fd));
  GIVES(VAP_TIMEOUT, vap_queue_next(queue, done, 8, &count, 0, &error));

  /* Cancelled, the request ends on the wire as well. */
  long gone = told(pool, "/gone");
  GIVES(VAP_OK, vap_request_new("GET", VAP_NUL, "/slow", VAP_NUL, &slow, &error));
  long begun = told(pool, "/begun");
  GIVES(VAP_OK, vap_submit_send(pool, slow, LONG_MS, queue, 42, &op, &error));
  until_told(pool, "/begun", begun + 1);
  GIVES(VAP_OK, vap_op_cancel(op, &error));
  done[0] = taken(queue);
  CHECK(done[0].tag == 42 && done[0].op == op && done[0].code == VAP_E_CANCELLED);
  CHECK(done[0].error != NULL && vap_error_code(done[0].error) == VAP_E_CANCELLED);
  vap_error_free(&done[0].error);
  until_told(pool, "/gone", gone + 1);
  /* And one that takes too long. */
  GIVES(VAP_OK, vap_submit_send(pool, slow, 20, queue, 43, &op, &error));
  done[0] = taken(queue);
  CHECK(done[0].code == VAP_E_CALL);
  CHECK(strcmp(vap_error_kind(done[0].error), "deadline_exceeded") == 0);
  vap_error_free(&done[0].error);
  GIVES(VAP_OK, vap_close(&slow, &error));
  GIVES(VAP_OK, vap_request_new("GET", VAP_NUL, "/status/404", VAP_NUL, &slow, &error));
  GIVES(VAP_OK, vap_submit_send(pool, slow, LONG_MS, queue, 44, &op, &error));
  done[0] = taken(queue);
  CHECK(done[0].code == VAP_E_CALL && vap_error_status(done[0].error) == 404);
  vap_error_free(&done[0].error);

  GIVES(VAP_E_HANDLE, vap_submit_send(pool, request, 0, pool, 0, &op, &error));
  GIVES(VAP_E_HANDLE, vap_submit_send(pool, pool, 0, queue, 0, &op, &error));
  GIVES(VAP_E_HANDLE, vap_submit_send(queue, request, 0, queue, 0, &op, &error));
  GIVES(VAP_E_ARGUMENT, vap_submit_send(pool, request, 0, queue, 0, NULL, &error));
  GIVES(VAP_E_HANDLE, vap_op_cancel(queue, &error));
  GIVES(VAP_E_HANDLE, vap_queue_next(pool, done, 1, &count, 0, &error));
  GIVES(VAP_E_ARGUMENT, vap_queue_next(queue, NULL, 1, &count, 0, &error));
  GIVES(VAP_E_ARGUMENT, vap_queue_next(queue, done, 0, &count, 0, &error));
  GIVES(VAP_E_ARGUMENT, vap_queue_next(queue, done, 1, NULL, 0, &error));
  GIVES(VAP_E_HANDLE, vap_queue_wake(0, &error));
  GIVES(VAP_E_HANDLE, vap_queue_fd(0, &fd, &error));
  /* Closed with one that waits to be taken and one under way: nothing of them is left. */
  GIVES(VAP_OK, vap_submit_send(pool, request, LONG_MS, queue, 0, &op, &error));
  CHECK(vap_queue_fd(queue, &fd, NULL) == VAP_OK);
  CHECK(becomes_readable(fd));
  GIVES(VAP_OK, vap_close(&slow, &error));
  GIVES(VAP_OK, vap_request_new("GET", VAP_NUL, "/slow", VAP_NUL, &slow, &error));
  GIVES(VAP_OK, vap_submit_send(pool, slow, LONG_MS, queue, 0, &op, &error));
  stale = queue;
  GIVES(VAP_OK, vap_close(&queue, &error));
  GIVES(VAP_E_HANDLE, vap_submit_send(pool, request, 0, stale, 0, &op, &error));
  GIVES(VAP_OK, vap_close(&request, &error));
  GIVES(VAP_OK, vap_close(&slow, &error));
}

static void batches(vap_handle pool) {
  vap_handle queue = 0, stream = 0, op = 0;
  const vap_slice *items;
  vap_completion done;
  size_t count, total = 0;
  GIVES(VAP_OK, vap_queue_open(4, &queue, &error));
  GIVES(VAP_OK, vap_stream_open(pool, "/items", VAP_NUL, "{prefetch: 8}", VAP_NUL, &stream, &error));
  for (;;) {
    GIVES(VAP_OK, vap_submit_next(stream, 0, 0, LONG_MS, queue, 1, &op, &error));
    done = taken(queue);
    CHECK(done.what == VAP_BATCH && done.error == NULL);
    if (done.code == VAP_END) break;
    GIVES(VAP_OK, vap_batch_items(done.result, &items, &count, &error));
    total += count;
    GIVES(VAP_OK, vap_close(&done.result, &error));
  }
  CHECK(total == 1000 && done.result == 0);
  GIVES(VAP_E_HANDLE, vap_submit_next(pool, 0, 0, 0, queue, 1, &op, &error));
  GIVES(VAP_OK, vap_close(&stream, &error));
  /* Two at a time are one too many. */
  GIVES(VAP_OK, vap_stream_open(pool, "/slow", VAP_NUL, NULL, 0, &stream, &error));
  long begun = told(pool, "/begun"), gone = told(pool, "/gone");
  GIVES(VAP_OK, vap_submit_next(stream, 0, 0, LONG_MS, queue, 1, &op, &error));
  until_told(pool, "/begun", begun + 1);
  GIVES(VAP_E_BUSY, vap_stream_next(stream, 0, 0, 0, 0, &op, &error));
  /* Closed, the stream ends what reads it, and the request on the wire. */
  GIVES(VAP_OK, vap_close(&stream, &error));
  done = taken(queue);
  CHECK(done.code == VAP_E_CLOSED);
  vap_error_free(&done.error);
  until_told(pool, "/gone", gone + 1);
  GIVES(VAP_OK, vap_close(&queue, &error));
}

static void events(const char *url) {
  vap_handle pool = pool_of(url), queue = 0, op = 0, request = 0, response = 0, last = 0;
  vap_completion done;
  vap_buf text;
  int32_t fd = -1;
  int found = 0;
  GIVES(VAP_OK, vap_queue_open(64, &queue, &error));
  GIVES(VAP_OK, vap_events_open(pool, queue, 7, &op, &error));
  GIVES(VAP_OK, vap_get(pool, "/ok", VAP_NUL, LONG_MS, 0, &response, &error));
  GIVES(VAP_OK, vap_close(&response, &error));
  while (!found) {
    done = taken(queue);
    CHECK(done.what == VAP_EVENT && done.tag == 7 && done.op == op);
    GIVES(VAP_OK, vap_buf_take(done.result, &text, &error));
    found = buf_has(&text, "\"attempt_ended\"");
    vap_buf_free(&text);
    GIVES(VAP_E_HANDLE, vap_buf_take(done.result, &text, &error));
  }
  GIVES(VAP_OK, vap_pool_close(&pool, 0, &error));
  do {
    done = taken(queue);
    if (done.result != 0) GIVES(VAP_OK, vap_close(&done.result, &error));
  } while (done.what == VAP_EVENT);
  CHECK(done.what == VAP_EVENTS_END && done.code == VAP_END);
  GIVES(VAP_OK, vap_close(&queue, &error));
  /* Events that nobody takes leave others their room. */
  pool = pool_of(url);
  GIVES(VAP_OK, vap_queue_open(2, &queue, &error));
  GIVES(VAP_OK, vap_events_open(pool, queue, 9, &op, &error));
  GIVES(VAP_OK, vap_request_new("GET", VAP_NUL, "/ok", VAP_NUL, &request, &error));
  GIVES(VAP_OK, vap_send(pool, request, LONG_MS, 0, &response, &error));
  GIVES(VAP_OK, vap_close(&response, &error));
  GIVES(VAP_OK, vap_queue_fd(queue, &fd, &error));
  CHECK(becomes_readable(fd));
  GIVES(VAP_OK, vap_submit_send(pool, request, LONG_MS, queue, 10, &op, &error));
  GIVES(VAP_E_FULL, vap_submit_send(pool, request, LONG_MS, queue, 11, &op, &error));
  do {
    done = taken(queue);
    GIVES(VAP_OK, vap_close(&done.result, &error));
  } while (done.what == VAP_EVENT);
  CHECK(done.what == VAP_RESPONSE && done.tag == 10);
  GIVES(VAP_OK, vap_close(&request, &error));
  GIVES(VAP_OK, vap_pool_close(&pool, 0, &error));
  GIVES(VAP_OK, vap_close(&queue, &error));
  /* The end of a queue is seen by who waits for its descriptor. */
  GIVES(VAP_OK, vap_queue_open(2, &queue, &error));
  GIVES(VAP_OK, vap_queue_fd(queue, &fd, &error));
  fd = dup(fd);
  CHECK(fd >= 0 && !readable(fd));
  GIVES(VAP_OK, vap_close(&queue, &error));
  CHECK(readable(fd));
  close(fd);
  GIVES(VAP_OK, vap_queue_open(64, &queue, &error));
  /* Cancelled rather than ended. */
  pool = pool_of(url);
  GIVES(VAP_OK, vap_events_open(pool, queue, 8, &last, &error));
  GIVES(VAP_OK, vap_op_cancel(last, &error));
  done = taken(queue);
  CHECK(done.what == VAP_EVENTS_END && done.code == VAP_E_CANCELLED);
  vap_error_free(&done.error);
  GIVES(VAP_E_HANDLE, vap_events_open(queue, queue, 8, &last, &error));
  GIVES(VAP_OK, vap_close(&queue, &error));
  GIVES(VAP_OK, vap_pool_close(&pool, 0, &error));
}

static void watched_job(const char *url, const char *folder) {
  vap_handle job = 0, queue = 0, op = 0;
  vap_completion done;
  vap_buf text;
  int progress = 0;
  char description[1024];
  snprintf(description, sizeof description,
           "{api: {base_url: \"%s\"}, tables: [{name: items, id: id, columns: {id: int}}], jobs: "
           "{copy: {sink: {sqlite: \"%s/watched.db\"}, streams: [{table: items}]}}}",
           url, folder);
  GIVES(VAP_OK, vap_queue_open(64, &queue, &error));
  GIVES(VAP_OK, vap_job_open(description, VAP_NUL, NULL, 0, "copy", VAP_NUL, &job, &error));
  GIVES(VAP_OK, vap_job_watch(job, queue, 1, &op, &error));
  done = taken(queue);
  CHECK(done.what == VAP_REPORT && done.code == VAP_E_STATE);
  vap_error_free(&done.error);
  GIVES(VAP_OK, vap_job_start(job, &error));
  GIVES(VAP_OK, vap_job_watch(job, queue, 2, &op, &error));
  for (;;) {
    done = taken(queue);
    GIVES(VAP_OK, vap_buf_take(done.result, &text, &error));
    if (done.what == VAP_REPORT) break;
    CHECK(done.what == VAP_PROGRESS && buf_has(&text, "\"counts\""));
    progress++;
    vap_buf_free(&text);
  }
  CHECK(progress >= 1 && done.code == VAP_OK);
  CHECK(buf_has(&text, "\"complete\""));
  vap_buf_free(&text);
  /* A watch that begins after the end is told what was committed last. */
  GIVES(VAP_OK, vap_job_watch(job, queue, 3, &op, &error));
  done = taken(queue);
  GIVES(VAP_OK, vap_buf_take(done.result, &text, &error));
  CHECK(done.what == VAP_PROGRESS && buf_has(&text, "\"read\":1000"));
  vap_buf_free(&text);
  done = taken(queue);
  CHECK(done.what == VAP_REPORT && done.code == VAP_OK);
  GIVES(VAP_OK, vap_close(&done.result, &error));
  GIVES(VAP_E_HANDLE, vap_job_watch(queue, queue, 1, &op, &error));
  GIVES(VAP_OK, vap_close(&job, &error));
  GIVES(VAP_OK, vap_close(&queue, &error));
}

int main(int count, char **arguments) {
  CHECK(count == 3);
  GIVES(VAP_E_ARGUMENT, vap_set_log(6, count_line, &lines, &error));
  GIVES(VAP_OK, vap_set_log(5, count_line, &lines, &error));
  vap_handle pool = pool_of(arguments[1]);
  completions(pool);
  batches(pool);
  GIVES(VAP_OK, vap_pool_close(&pool, 0, &error));
  events(arguments[1]);
  watched_job(arguments[1], arguments[2]);
  /* What has no error object says in the log why it fails. */
  int before = __atomic_load_n(&lines, __ATOMIC_SEQ_CST);
  CHECK(mantis_pool_new(-1, 1, 1, 1) == NULL);
  CHECK(__atomic_load_n(&lines, __ATOMIC_SEQ_CST) > before);
  GIVES(VAP_OK, vap_set_log(0, count_line, &lines, &error));
  before = __atomic_load_n(&lines, __ATOMIC_SEQ_CST);
  CHECK(mantis_pool_new(-1, 1, 1, 1) == NULL);
  CHECK(__atomic_load_n(&lines, __ATOMIC_SEQ_CST) == before);
  GIVES(VAP_OK, vap_set_log(0, NULL, NULL, &error));
  CHECK(vap_handles_open() == 0);
  puts("ok");
  return 0;
}
