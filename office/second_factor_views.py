"""Taking a lost second factor from a colleague, who sets up another at the next sign-in."""

from django.contrib.auth import get_user_model
from django.shortcuts import get_object_or_404
from django.urls import reverse

from accounts.staff_forms import ReasonForm
from accounts.staff_views import NotDone, Operation
from office import second_factor


class RemoveSecondFactor(Operation):
    """Forgets phone and recovery codes of somebody who lost them, and ends all their sessions."""

    permission = "auth.change_user"
    title = "Remove second factor"
    button = "Remove"
    form_class = ReasonForm
    explanation = (
        "For a colleague who lost the phone: whoever has the password then sets up a new one. Make "
        "sure that it is your colleague who asks. All their sessions end."
    )

    def find(self, user_id: int):
        """Return the member of staff."""
        return get_object_or_404(get_user_model(), pk=user_id, is_staff=True)

    def owner_id(self):
        """Return the colleague, who does not do this alone."""
        return self.subject.pk

    def facts(self):
        """Return who it is."""
        return [("Colleague", self.subject.username)]

    def carry_out(self, data, origin):
        """Forget it. Raises NotDone if there is none."""
        if not second_factor.remove(self.subject, reason=data["reason"], origin=origin):
            raise NotDone("This colleague has no second factor.")
        return "The second factor is removed, and all sessions have ended."

    def page(self):
        """Return the user's page."""
        return reverse("admin:auth_user_change", args=[self.subject.pk])
