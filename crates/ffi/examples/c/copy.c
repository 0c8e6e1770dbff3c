/* Copies the countries of the demo API into a database, and keeps the report under a key:
 * copy BASE_URL TOKEN FOLDER */
#include <stdio.h>
#include <vantage_pool.h>

static const char description[] =
    "api: { base_url: \"${URL}\", auth: { bearer: \"${TOKEN}\" } }\n"
    "tables:\n"
    "  - { name: countries, id: code, columns: { code: text, name: text, population: int } }\n"
    "jobs:\n"
    "  world: { sink: { sqlite: \"${FOLDER}/world.db\" }, streams: [ { table: countries } ] }\n";

static int fail(vap_error *error) {
  fprintf(stderr, "%s\n", error ? vap_error_message(error) : "not within its time");
  vap_error_free(&error);
  return 1;
}

int main(int count, char **arguments) {
  if (count != 4) return 2;
  char variables[2048], file[1024];
  snprintf(variables, sizeof variables, "{URL: \"%s\", TOKEN: \"%s\", FOLDER: \"%s\"}",
           arguments[1], arguments[2], arguments[3]);
  snprintf(file, sizeof file, "%s/reports.redb", arguments[3]);

  vap_error *error = NULL;
  vap_handle job = 0, kv = 0;
  vap_buf report;
  if (vap_job_open(description, VAP_NUL, variables, VAP_NUL, "world", VAP_NUL, &job, &error) != VAP_OK)
    return fail(error);
  if (vap_job_start(job, &error) != VAP_OK) return fail(error);
  int32_t code = vap_job_wait(job, 600000, 0, &report, &error);
  if (code != VAP_OK && code != VAP_INCOMPLETE) return fail(error);
  printf("%s: %.*s\n", code == VAP_OK ? "complete" : "incomplete", (int)report.len,
         (const char *)report.ptr);

  if (vap_kv_open(file, VAP_NUL, NULL, 0, &kv, &error) != VAP_OK) return fail(error);
  if (vap_kv_put(kv, "reports/world", VAP_NUL, report.ptr, report.len, 0, 10000, 0, &error) != VAP_OK)
    return fail(error);
  vap_buf_free(&report);
  vap_close(&kv, NULL);
  vap_close(&job, NULL);
  return code;
}
