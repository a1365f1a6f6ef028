"""Where django-helpdesk answers: below /helpdesk, and the administration that its pages link to."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("helpdesk/", include("helpdesk.urls", namespace="helpdesk")), path("admin/", admin.site.urls)]
