/* The child of a process that has used the library is told so, and its parent goes on. */
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static const char *url;

static void a_child_is_told_that_it_is_one(void) {
  vap_handle pool = pool_of(url);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    vap_handle response = 0;
    vap_error *error = NULL;
    int32_t code = vap_get(pool, "/ok", VAP_NUL, LONG_MS, 0, &response, &error);
    int is_told = code == VAP_E_FORKED && vap_error_code(error) == VAP_E_FORKED;
    _exit(is_told && vap_pool_close(&pool, 0, NULL) == VAP_E_FORKED ? 0 : 1);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  told(pool, "/begun");
  GIVES(VAP_OK, vap_pool_close(&pool, 0, &error));
}

int main(int count, char **arguments) {
  CHECK(count == 3);
  url = arguments[1];
  a_child_is_told_that_it_is_one();
  CHECK(vap_handles_open() == 0);
  puts("ok");
  return 0;
}
