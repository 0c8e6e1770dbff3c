"""Django REST framework: three ways to page, filters, orders, a throttle, tokens and writes.

Below /jsonapi/ the same rows as JSON:API. Started with: ROWS.json PORT FOLDER.
"""

import json
import os
import sys

import django
from django.conf import settings

ROWS, PORT, FOLDER = sys.argv[1:4]
DATABASE = os.path.join(FOLDER, "django.sqlite3")
IS_NEW = not os.path.exists(DATABASE)

settings.configure(
    SECRET_KEY="tests",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    LOGGING={
        "version": 1,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "loggers": {"django.request": {"handlers": ["console"], "level": "ERROR"}},
    },
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "rest_framework.authtoken",
        "rest_framework_json_api",
        "django_filters",
    ],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_THROTTLE_RATES": {"slow": "10/s"},
    },
)
django.setup()

from django.db import connection, models  # noqa: E402
from django.urls import include, path  # noqa: E402
from django_filters.rest_framework import DjangoFilterBackend  # noqa: E402
from rest_framework import (  # noqa: E402
    authentication,
    filters,
    pagination,
    permissions,
    routers,
    serializers,
    throttling,
    viewsets,
)
from rest_framework_json_api import (  # noqa: E402
    django_filters as api_filters,
    filters as api_orders,
    pagination as api_pagination,
    parsers as api_parsers,
    renderers as api_renderers,
    serializers as api_serializers,
)


class Row(models.Model):
    id = models.BigIntegerField(primary_key=True)
    name = models.TextField(blank=True)
    note = models.TextField(null=True)
    big = models.BigIntegerField()
    score = models.FloatField(null=True)
    flag = models.BooleanField()
    team = models.IntegerField()
    nested = models.JSONField()

    class Meta:
        app_label = "real"
        ordering = ["id"]


class Note(models.Model):
    """Written by the tests. The API makes the ids."""

    name = models.TextField(blank=True)
    big = models.BigIntegerField(default=0)
    team = models.IntegerField(default=0)
    nested = models.JSONField(default=dict)

    class Meta:
        app_label = "real"
        ordering = ["id"]


class Coded(models.Model):
    """Written by the tests, which bring the ids."""

    id = models.CharField(primary_key=True, max_length=100)
    name = models.TextField(blank=True)
    team = models.IntegerField(default=0)

    class Meta:
        app_label = "real"
        ordering = ["id"]


class RowSerializer(serializers.ModelSerializer):
    class Meta:
        model = Row
        fields = "__all__"


class NoteSerializer(serializers.ModelSerializer):
    class Meta:
        model = Note
        fields = "__all__"


class CodedSerializer(serializers.ModelSerializer):
    class Meta:
        model = Coded
        fields = "__all__"


class ByPage(pagination.PageNumberPagination):
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 100


class ByOffset(pagination.LimitOffsetPagination):
    default_limit = 50
    max_limit = 100


class ByCursor(pagination.CursorPagination):
    page_size = 50
    page_size_query_param = "page_size"
    ordering = "id"


NUMBERS = ["exact", "gt", "gte", "lt", "lte", "in"]


class Rows(viewsets.ModelViewSet):
    queryset = Row.objects.all()
    serializer_class = RowSerializer
    pagination_class = ByPage
    filter_backends = [DjangoFilterBackend, filters.OrderingFilter, filters.SearchFilter]
    filterset_fields = {
        "id": NUMBERS,
        "name": ["exact", "icontains", "istartswith"],
        "note": ["exact", "isnull"],
        "big": NUMBERS,
        "score": NUMBERS + ["isnull"],
        "flag": ["exact"],
        "team": NUMBERS,
    }
    ordering_fields = ["id", "name", "big", "team"]
    search_fields = ["name"]


class RowsByOffset(Rows):
    pagination_class = ByOffset


class RowsByCursor(Rows):
    pagination_class = ByCursor
    filter_backends = [DjangoFilterBackend]


class Slow(throttling.SimpleRateThrottle):
    scope = "slow"

    def get_cache_key(self, request, view):
        return "slow"


class ThrottledRows(Rows):
    throttle_classes = [Slow]


class SecretRows(Rows):
    authentication_classes = [authentication.TokenAuthentication]
    permission_classes = [permissions.IsAuthenticated]


class Notes(viewsets.ModelViewSet):
    queryset = Note.objects.all()
    serializer_class = NoteSerializer
    pagination_class = ByPage
    filter_backends = [DjangoFilterBackend]
    filterset_fields = {"id": ["exact", "in"], "team": ["exact"]}


class Codeds(Notes):
    queryset = Coded.objects.all()
    serializer_class = CodedSerializer


class ThrottledNotes(Notes):
    throttle_classes = [Slow]


class ApiRowSerializer(api_serializers.ModelSerializer):
    class Meta:
        model = Row
        fields = "__all__"


class ApiNoteSerializer(api_serializers.ModelSerializer):
    class Meta:
        model = Note
        fields = "__all__"


class ApiPages(api_pagination.JsonApiPageNumberPagination):
    page_size = 50
    max_page_size = 100


class ApiRows(viewsets.ModelViewSet):
    queryset = Row.objects.all()
    serializer_class = ApiRowSerializer
    resource_name = "rows"
    pagination_class = ApiPages
    renderer_classes = [api_renderers.JSONRenderer]
    parser_classes = [api_parsers.JSONParser]
    filter_backends = [api_filters.DjangoFilterBackend, api_orders.OrderingFilter]
    filterset_fields = {"id": NUMBERS, "name": ["exact", "icontains"], "team": NUMBERS}
    ordering_fields = ["id", "name", "team"]


class ApiNotes(ApiRows):
    queryset = Note.objects.all()
    serializer_class = ApiNoteSerializer
    resource_name = "notes"
    filterset_fields = {"id": ["exact"], "team": ["exact"]}


router = routers.DefaultRouter()
for at, view in [
    ("page", Rows),
    ("offset", RowsByOffset),
    ("cursor", RowsByCursor),
    ("throttled", ThrottledRows),
    ("secret", SecretRows),
    ("notes", Notes),
    ("throttled-notes", ThrottledNotes),
    ("coded", Codeds),
]:
    router.register(at, view, basename=at)

without_slashes = routers.SimpleRouter(trailing_slash=False)
without_slashes.register("rows", ApiRows, basename="jsonapi-rows")
without_slashes.register("notes", ApiNotes, basename="jsonapi-notes")

urlpatterns = [
    path("api/", include(router.urls)),
    path("jsonapi/", include(without_slashes.urls)),
]


def fill():
    """The tables, the rows and a user whose token is `open-sesame`."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from rest_framework.authtoken.models import Token

    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        for model in (Row, Note, Coded):
            editor.create_model(model)
    with open(ROWS, encoding="utf-8") as file:
        Row.objects.bulk_create(Row(**row) for row in json.load(file))
    Token.objects.create(user=User.objects.create(username="ann"), key="open-sesame")


if __name__ == "__main__":
    from django.core.wsgi import get_wsgi_application
    from waitress import serve

    if IS_NEW:
        fill()
    serve(get_wsgi_application(), host="127.0.0.1", port=int(PORT), threads=8, ident=None)
