/* Gets the countries of the demo API one by one, all at once, on one thread: queue BASE_URL TOKEN */
#include <stdio.h>
#include <vantage_pool.h>

static const char *const paths[] = {"/countries/France", "/countries/Japan", "/countries/Kenya",
                                    "/countries/Atlantis"};
enum { PATHS = sizeof paths / sizeof *paths };

int main(int count, char **arguments) {
  if (count != 3) return 2;
  char config[1024];
  snprintf(config, sizeof config, "{base_url: \"%s\", auth: {bearer: \"%s\"}}", arguments[1],
           arguments[2]);
  vap_handle pool = 0, queue = 0;
  if (vap_pool_open(config, VAP_NUL, &pool, NULL) != VAP_OK) return 1;
  if (vap_queue_open(64, &queue, NULL) != VAP_OK) return 1;

  for (uint64_t tag = 0; tag < PATHS; tag++) {
    vap_handle request = 0, op = 0;
    if (vap_request_new("GET", VAP_NUL, paths[tag], VAP_NUL, &request, NULL) != VAP_OK) return 1;
    if (vap_submit_send(pool, request, 30000, queue, tag, &op, NULL) != VAP_OK) return 1;
    vap_close(&request, NULL);
  }

  for (size_t taken = 0; taken < PATHS;) {
    vap_completion done[16];
    size_t completions;
    if (vap_queue_next(queue, done, 16, &completions, 60000, NULL) != VAP_OK) return 1;
    taken += completions;
    for (size_t at = 0; at < completions; at++) {
      const char *path = paths[done[at].tag];
      vap_buf body;
      if (done[at].code != VAP_OK) {
        printf("%s: %s\n", path, vap_error_message(done[at].error));
        vap_error_free(&done[at].error);
      } else if (vap_response_body(done[at].result, &body, NULL) == VAP_OK) {
        printf("%s: %.*s\n", path, (int)body.len, (const char *)body.ptr);
        vap_buf_free(&body);
      }
      vap_close(&done[at].result, NULL);
    }
  }
  vap_close(&queue, NULL);
  vap_pool_close(&pool, 1000, NULL);
  return 0;
}
