/* rust-lang/rust #91979: a library that was loaded and unloaded at run time, and used by a thread that
 * ends afterwards. Its own threads go on, too. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "vantage_pool.h"

static pthread_barrier_t used, unloaded;
static void *library;

static void *symbol(const char *name) {
  void *found = dlsym(library, name);
  if (found == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  return found;
}

static void *use(void *url) {
  int32_t (*open_pool)(const char *, size_t, vap_handle *, vap_error **);
  int32_t (*get)(vap_handle, const char *, size_t, uint32_t, vap_handle, vap_handle *, vap_error **);
  /* The way of POSIX to make a pointer to a function of one to an object. */
  *(void **)&open_pool = symbol("vap_pool_open");
  *(void **)&get = symbol("vap_get");
  char config[256];
  vap_handle pool = 0, response = 0;
  snprintf(config, sizeof config, "{base_url: \"%s\"}", (const char *)url);
  if (open_pool(config, VAP_NUL, &pool, NULL) != VAP_OK) exit(1);
  if (get(pool, "/ok", VAP_NUL, 60000, 0, &response, NULL) != VAP_OK) exit(1);
  pthread_barrier_wait(&used);
  pthread_barrier_wait(&unloaded);
  return NULL;
}

int main(int count, char **arguments) {
  pthread_t thread;
  if (count < 2) return 2;
  library = dlopen("libvantage_pool.so.1", RTLD_NOW);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  pthread_barrier_init(&used, NULL, 2);
  pthread_barrier_init(&unloaded, NULL, 2);
  if (pthread_create(&thread, NULL, use, arguments[1]) != 0) return 1;
  pthread_barrier_wait(&used);
  if (dlclose(library) != 0) return 1;
  pthread_barrier_wait(&unloaded);
  pthread_join(thread, NULL);
  puts("ok");
  return 0;
}
