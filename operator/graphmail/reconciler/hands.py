"""What is done at Graph for one mailbox: create, renew, verify, adopt, replace, delete. Nothing here is written down."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from graphmail.graph import (
    GraphClient,
    GraphError,
    Marker,
    Meaning,
    MicrosoftError,
    NoTurn,
    SignIn,
    Subscription,
    SubscriptionRequest,
    add_marker,
    mail_resource,
    read_marker,
    same_resource,
    without_marker,
)
from graphmail.provider import CredentialKind
from graphmail.reconciler.held import current_held, edited, held_of, known_grant, known_state, marks_another, replacing
from graphmail.reconciler.later import Later
from graphmail.reconciler.listings import Listings
from graphmail.reconciler.result import Checked, Deed, Result
from graphmail.reconciler.signed_in import How, Job, SignedIn
from graphmail.reconciler.verdicts import REASONS, verdict_of, waiting
from graphmail.resource import GraphMailSubscription

CEILING_KNOWN = timedelta(days=1)
"""Then the wanted lifetime is asked for again: a ceiling may be raised."""
_USER_ID = re.compile(r"users/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/", re.IGNORECASE)


class Hands:
    """Does the work at Graph.

    Args:
        installation: what tells this installation's subscriptions from any other's: the first part of the marker.
        lifetime: asked for at Graph, where the resource does not say.
        product_url: the product's own route. What delivers there is a provider's own too, where our receiver stands before it.
    """

    def __init__(
        self,
        graph: GraphClient,
        signin: SignIn,
        installation: str,
        lifetime: timedelta,
        *,
        product_url: str | None = None,
    ) -> None:
        self._graph = graph
        self._signin = signin
        self._lifetime = lifetime
        self._installation = installation
        self._product_url = product_url
        self._ceilings: dict[str, tuple[timedelta, datetime]] = {}
        self._listings = Listings(installation)

    def caller(self, job: Job) -> SignedIn:
        """Graph, signed in for this job's mailbox."""
        return SignedIn(self._graph, self._signin, job)

    def notification_url(self, resource: GraphMailSubscription) -> str:
        """The URL that Graph is to deliver to: the spec's, with our marker."""
        return add_marker(resource.spec.notification_url, self.marker(resource))

    def marker(self, resource: GraphMailSubscription) -> Marker:
        """What marks this mailbox's subscription as ours."""
        return Marker(self._installation, resource.spec.provider_id, resource.spec.folders[0])

    async def create(self, job: Job, caller: SignedIn, *, instead_of: str | None = None) -> Result:
        """A new subscription, unless an earlier create turns out to have been committed.

        Args:
            instead_of: the subscription that the new one replaces; it is never taken for the new one.
        """
        found = await self._left(job, caller, beside=instead_of)
        if found:
            newest, *others = found
            leftovers = tuple(spare.id for spare in others)
            return Result(Deed.CREATE, held_of(newest), leftovers=leftovers, note="found after a lost answer")
        if not await job.may_create():
            verdict = waiting("StoreAway", "a create waits until Postgres and the API server are back")
            return Result(Deed.CREATE, None, verdict=verdict)
        try:
            subscription = await self._with_ceiling(job, lambda expires_at: self._post(job, caller, expires_at))
        except GraphError as error:
            if error.meaning is Meaning.ALREADY_EXISTS and error.subscription_id:
                if error.subscription_id == instead_of:
                    return Result(Deed.REPLACE, current_held(job.resource), must_delete_first=True)
                return await self._keep_existing(job, caller, error)
            if error.meaning is Meaning.OUTCOME_UNKNOWN:
                return Result(
                    Deed.CREATE, None, verdict=verdict_of(error, job.resource.status.consecutive_failures), unknown=True
                )
            raise
        held = held_of(subscription, granted_at=job.now, client_state=job.client_state_fingerprint)
        return Result(Deed.CREATE, held, granted=True)

    async def replace(self, job: Job, caller: SignedIn) -> Result:
        """A new subscription in place of one that PATCH cannot change to what is wanted: create before delete (design, rule 2)."""
        old = job.resource.status.subscription_id
        if old is None or await self._misnamed(job, caller):
            return await self.create(job, caller)
        return replacing(await self.create(job, caller, instead_of=old), old, current_held(job.resource))

    async def replace_with_gap(self, job: Job, caller: SignedIn, clock: Callable[[], float]) -> Result:
        """Delete the old one and create the new one at once: Graph refuses both beside each other.

        The caller has written the intent down. Whatever goes wrong after the deletion, nothing is held any more.

        Args:
            clock: monotonic seconds, for the length of the gap.
        """
        await self.discard(caller, job.resource.status.subscription_id or "")
        gone = clock()
        result = await self._create_after(job, caller)
        return replace(result, deed=Deed.REPLACE, gap=timedelta(seconds=clock() - gone) if result.held else None)

    async def renew(self, job: Job, caller: SignedIn) -> Result:
        """PATCH; when Graph has lost the subscription, a new one at once."""
        status = job.resource.status
        if status.subscription_id is None:
            return await self.create(job, caller)
        if await self._misnamed(job, caller):
            return await self._recreate(job, caller)
        try:
            return await self._patch(job, caller, status.subscription_id)
        except GraphError as error:
            if error.meaning is Meaning.GONE:
                return await self._recreate(job, caller)
            if error.meaning is Meaning.INVALID:
                return await self.replace(job, caller)
            raise

    async def verify(self, job: Job, caller: SignedIn) -> Result:
        """Ask Graph whether the subscription lives; a lost one is created anew at once (design, rule 4).

        Beside one that lives, what a lost create has made is a twin.
        """
        status = job.resource.status
        if status.subscription_id is None:
            return await self.create(job, caller)
        found = await self._get(caller, status.subscription_id)
        if found is None or _is_anothers(found, job.resource):
            return await self._recreate(job, caller)
        known, begun = current_held(job.resource), status.pending_create_time is not None
        twins = await self._left(job, caller, beside=found.id) if begun else []
        held = held_of(found, granted_at=known_grant(known, found), client_state=known_state(known))
        return Result(Deed.VERIFY, held, leftovers=tuple(twin.id for twin in twins))

    async def check_delivery(self, job: Job, caller: SignedIn) -> Result:
        """Ask for the newest message. What Graph does not say is no failure of the subscription: it is asked again another time."""
        held = current_held(job.resource)
        spec = job.resource.spec
        folder = mail_resource(spec.folders[0], spec.mailbox, job.access.credential.kind)
        try:
            newest = await caller.call(lambda graph, how: graph.newest_message(folder, **how))
        except GraphError as error:
            checked = Checked.REFUSED if error.meaning is Meaning.PERMISSION else Checked.FAILED
            sent = not isinstance(error, NoTurn)
            return Result(Deed.CHECK_DELIVERY, held, checked=checked, note=str(error), attempted=sent)
        return Result(Deed.CHECK_DELIVERY, held, checked=Checked.QUIET, newest=newest)

    async def adopt(self, job: Job, caller: SignedIn) -> Result:
        """Keep the subscription that the row names, if it lives and is this mailbox's. Of two that live, the row's is kept."""
        wanted = job.adopts or ""
        found = await self._get(caller, wanted)
        current = job.resource.status.subscription_id
        refusal = "it does not exist at Graph" if found is None else self._not_ours(job, found)
        if found is None or refusal:
            refused = f"subscription {wanted} is not adopted: {refusal}"
            return Result(Deed.ADOPT, current_held(job.resource), refused=refused, looked_up=wanted)
        spare = current is not None and current != wanted and not await self._misnamed(job, caller)
        replaced = (current,) if current is not None and spare else ()
        return Result(Deed.ADOPT, held_of(found), leftovers=replaced, looked_up=wanted)

    async def delete(self, job: Job, caller: SignedIn) -> Result:
        """Delete the subscription, and any that an unanswered create may have left."""
        named = job.resource.status.subscription_id
        spared = named is None or job.others(named) or await self._misnamed(job, caller)
        doomed = set() if named is None or spared else {named}
        doomed |= {found.id for found in await self._left(job, caller, beside=named)}
        for subscription_id in sorted(doomed):
            await self.discard(caller, subscription_id)
        return Result(Deed.DELETE, None, open_elsewhere=job.creates.elsewhere)

    async def discard(self, caller: SignedIn, subscription_id: str) -> None:
        """Delete one subscription; one that is gone already is as good."""
        await caller.call(lambda graph, how: graph.delete(subscription_id, **how))

    async def _misnamed(self, job: Job, caller: SignedIn) -> bool:
        """The status was edited by hand, and names what is gone or another one's: that is neither renewed nor deleted."""
        if not edited(job.resource):
            return False
        found = await self._get(caller, job.resource.status.subscription_id or "")
        return found is None or _is_anothers(found, job.resource)

    async def _recreate(self, job: Job, caller: SignedIn) -> Result:
        """A new subscription for one that is lost."""
        result = await self._create_after(job, caller)
        if result.must_delete_first:
            message = f"Graph says that subscription {job.resource.status.subscription_id} is gone, and refuses another one beside it"
            result = Result(Deed.CREATE, None, verdict=waiting(REASONS[Meaning.ALREADY_EXISTS], message))
        return replace(result, deed=Deed.RECREATE)

    async def _create_after(self, job: Job, caller: SignedIn) -> Result:
        """A new subscription for one that is gone: a failure leaves nothing that is held."""
        try:
            return await self.create(job, caller, instead_of=job.resource.status.subscription_id)
        except MicrosoftError as error:
            return Result(Deed.CREATE, None, verdict=verdict_of(error, job.resource.status.consecutive_failures))

    async def _keep_existing(self, job: Job, caller: SignedIn, error: GraphError) -> Result:
        """Graph refuses a twin and names the one that stands in the way: it is ours if it serves this mailbox."""
        found = await self._get(caller, error.subscription_id or "")
        if found is None or self._not_ours(job, found):
            raise error
        return Result(Deed.ADOPT, held_of(found), note=f"Graph had {found.id} already")

    def _not_ours(self, job: Job, found: Subscription) -> str:
        """Why a subscription is not this mailbox's; empty when it is (design: application, resource and URL are checked)."""
        marker = read_marker(found.notification_url)
        if marker is not None and marker != self.marker(job.resource):
            return "its marker is another one's"
        if refusal := _serves_another(job, found):
            return refusal
        if without_marker(found.notification_url) not in self._served_urls(job.resource):
            return "it delivers to another URL"
        return ""

    def _served_urls(self, resource: GraphMailSubscription) -> set[str | None]:
        also = self._product_url if resource.mirrored else None
        return {resource.spec.notification_url, also}

    async def _left(self, job: Job, caller: SignedIn, *, beside: str | None) -> list[Subscription]:
        """What unanswered creates have left for this mailbox, newest expiry first.

        The marker names provider and folder. A provider may have had another mailbox, whose subscription carries the same one, and lives
        until its own resource lets go of it. To which URL it delivers does not matter: that may have changed since, and PATCH moves it.

        Args:
            beside: a subscription that is known.

        Raises:
            Later: nothing is there yet, and what was sent may still arrive.
        """
        if job.unknown_since is None:
            return []
        marked = await self._marked(job, caller)
        found = [one for one in marked if one.id != beside and not _serves_another(job, one)]
        if not found and job.unknown_until is not None and job.now < job.unknown_until:
            raise Later(job.unknown_until)
        job.creates.answered()
        job.creates.elsewhere = any(one not in found and one.id != beside and not job.others(one.id) for one in marked)
        return found

    async def _marked(self, job: Job, caller: SignedIn) -> list[Subscription]:
        """The subscriptions that carry this provider's and folder's marker, newest expiry first. Absence from a list proves nothing."""

        async def collect(graph: GraphClient, how: How) -> list[Subscription]:
            return [found async for found in graph.list_all(token=how["token"], spender=how["spender"])]

        credential = job.access.credential
        app_wide = credential.kind is CredentialKind.APP_ONLY
        ours = await self._listings.marked(
            f"{credential.client_id} in {credential.directory}" if app_wide else credential.owner,
            self.marker(job.resource),
            lambda: caller.call(collect),
            now=job.now,
            since=min(job.unknown_since or job.now, job.now),
        )
        return sorted(ours, key=lambda found: found.expires_at, reverse=True)

    async def _get(self, caller: SignedIn, subscription_id: str) -> Subscription | None:
        try:
            return await caller.call(lambda graph, how: graph.get(subscription_id, **how))
        except GraphError as error:
            if error.meaning is Meaning.GONE:
                return None
            raise

    async def _post(self, job: Job, caller: SignedIn, expires_at: datetime) -> Subscription:
        spec = job.resource.spec
        request = SubscriptionRequest(
            resource=mail_resource(spec.folders[0], spec.mailbox, job.access.credential.kind),
            notification_url=self.notification_url(job.resource),
            expires_at=expires_at,
            change_types=tuple(spec.change_types),
            lifecycle_notification_url=spec.lifecycle_notification_url,
            client_state=job.access.client_state,
        )

        async def post(graph: GraphClient, how: How) -> Subscription:
            job.creates.begins()
            try:
                made = await graph.create(request, **how)
            except GraphError as error:
                if error.meaning is not Meaning.OUTCOME_UNKNOWN:
                    job.creates.answered()
                raise
            job.creates.answered()
            return made

        return await caller.call(post)

    async def _patch(self, job: Job, caller: SignedIn, subscription_id: str) -> Result:
        """Extend it, and move it to the wanted URL. An endpoint that does not answer must not cost the subscription its life."""
        url = self._changed_url(job.resource)

        async def patch(expires_at: datetime, notification_url: str | None) -> Subscription:
            return await caller.call(
                lambda graph, how: graph.renew(subscription_id, expires_at, notification_url, **how)
            )

        verdict = None
        try:
            renewed = await self._with_ceiling(job, lambda expires_at: patch(expires_at, url))
        except GraphError as error:
            if error.meaning is not Meaning.ENDPOINT or url is None:
                raise
            verdict = replace(verdict_of(error, job.resource.status.consecutive_failures), counted=False)
            renewed = await self._with_ceiling(job, lambda expires_at: patch(expires_at, None))
        held = held_of(renewed, granted_at=job.now, client_state=known_state(current_held(job.resource)))
        return Result(Deed.RENEW, held, granted=True, verdict=verdict)

    def _changed_url(self, resource: GraphMailSubscription) -> str | None:
        first = resource.status.folder(resource.spec.folders[0])
        wanted = self.notification_url(resource)
        return None if first is not None and first.notification_url == wanted else wanted

    async def _with_ceiling(self, job: Job, attempt: Callable[[datetime], Awaitable[Subscription]]) -> Subscription:
        """Ask for the wanted lifetime, or what this directory is known to allow; a refusal says how much, and is tried once more."""
        directory, lifetime = job.spender.directory, job.resource.spec.lifetime_time or self._lifetime
        allowed, learned_at = self._ceilings.get(directory, (timedelta.max, job.now))
        if job.now - learned_at < CEILING_KNOWN:
            lifetime = min(lifetime, allowed)
        try:
            return await attempt(job.now + lifetime)
        except GraphError as error:
            if error.meaning is not Meaning.CEILING or error.ceiling is None:
                raise
            allowed = timedelta(minutes=error.ceiling) - timedelta(seconds=30)
            self._ceilings[directory] = allowed, job.now
            return await attempt(job.now + allowed)


def _is_anothers(found: Subscription, ours: GraphMailSubscription) -> bool:
    """What the status names serves another provider, or, where somebody has edited the status, another mailbox or folder."""
    elsewhere = bool(found.resource) and edited(ours) and not _watches(found.resource, ours)
    return elsewhere or marks_another(ours, found.notification_url)


def _serves_another(job: Job, found: Subscription) -> str:
    """Why a subscription is another mailbox's, whatever its URL says; empty when it is this one's."""
    if holder := job.others(found.id):
        return f"resource {holder} holds it"
    if found.application_id and found.application_id.lower() != job.access.credential.client_id.lower():
        return "it belongs to another application"
    if not _watches(found.resource, job.resource):
        return f"it watches {found.resource}"
    return ""


def _watches(resource: str, ours: GraphMailSubscription) -> bool:
    """Whether it is this mailbox's folder. A user's object id proves nothing against an address: the same user has both."""
    named = _USER_ID.sub(f"users/{ours.spec.mailbox}/", resource, count=1)
    kinds = (CredentialKind.DELEGATED, CredentialKind.APP_ONLY)
    return any(same_resource(named, mail_resource(ours.spec.folders[0], ours.spec.mailbox, kind)) for kind in kinds)
