from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models

from apps.accounts.rights import Role


class People(UserManager["User"]):
    use_in_migrations = False

    def create_superuser(self, *args: Any, **kwargs: Any) -> "User":
        """The first person, for `manage.py createsuperuser`: an admin of all sites. The flag itself gives nothing."""
        user = super().create_superuser(*args, **kwargs)
        Membership.objects.create(user=user, role=Role.ADMIN)
        return user


class User(AbstractUser):
    """A person who signs in. What the person may do follows from the memberships."""

    objects: ClassVar[People] = People()

    is_demo = models.BooleanField(default=False)
    """Made by the demo with a random password."""


class Membership(models.Model):
    """One role of one person, at one site or (site_id None) at all of them.

    `site_id` is a plain number because sites live a floor above; `devices` removes memberships of a removed site.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices)
    site_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "role", "site_id"], name="membership_once", nulls_distinct=False),
        ]
