from django.http import HttpRequest
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.rights import Permission
from apps.accounts.selectors import may, may_open, memberships


class ByRightsMatrix(BasePermission):
    """The same matrix as the pages: `hybridai/rights.py`, by view name."""

    def has_permission(self, request: Request | HttpRequest, view: APIView) -> bool:  # noqa: ARG002
        match = request.resolver_match
        return match is not None and may_open(request.user, match.view_name)


class MeApi(APIView):
    """Who is signed in, with which roles, and what these allow."""

    class Output(serializers.Serializer[object]):
        class MembershipOutput(serializers.Serializer[object]):
            role = serializers.CharField()
            site_id = serializers.IntegerField(allow_null=True)

        username = serializers.CharField()
        memberships = MembershipOutput(many=True)
        permissions = serializers.ListField(child=serializers.CharField())

    @extend_schema(responses=Output)
    def get(self, request: Request) -> Response:
        user = request.user
        held = [{"role": one.role, "site_id": one.site_id} for one in memberships(user)]
        allowed = [permission.value for permission in Permission if may(user, permission)]
        output = self.Output({"username": user.get_username(), "memberships": held, "permissions": allowed})
        return Response(output.data)
