import pytest

NOON = 1_795_521_600.0
DAY = 1_440


async def test_a_subscription_is_created_as_graph_creates_it(graph, house, webhook):
    answer = await graph.subscribe(house.inbox, webhook.url, clientState="hush")
    assert answer.status == 201
    assert answer.body | {"id": "any"} == {
        "@odata.context": f"{graph.simulator.graph_url}/$metadata#subscriptions/$entity",
        "id": "any",
        "resource": house.inbox,
        "applicationId": house.app.client_id,
        "changeType": "created",
        "clientState": "hush",
        "notificationUrl": webhook.url,
        "notificationQueryOptions": None,
        "lifecycleNotificationUrl": None,
        "expirationDateTime": "2026-11-25T12:00:00Z",
        "creatorId": house.app.service_principals[house.tenant.id],
        "includeResourceData": None,
        "latestSupportedTlsVersion": "v1_2",
        "encryptionCertificate": None,
        "encryptionCertificateId": None,
        "notificationUrlAppId": None,
    }
    assert answer.headers["Content-Type"].startswith("application/json;odata.metadata=minimal")


async def test_the_client_state_is_never_given_back_by_a_get(graph, house, webhook):
    made = await graph.subscribe(house.inbox, webhook.url, clientState="hush")
    one = await graph.call("GET", f"/subscriptions/{made.body['id']}")
    many = await graph.call("GET", "/subscriptions")
    assert (one.status, one.body["clientState"]) == (200, None)
    assert [entry["clientState"] for entry in many.body["value"]] == [None]


async def test_a_renewal_answers_with_the_whole_subscription(graph, house, webhook):
    made = await graph.subscribe(house.inbox, webhook.url)
    renewed = await graph.renew(made.body["id"], 3 * DAY)
    assert renewed.status == 200
    assert renewed.body == made.body | {"expirationDateTime": "2026-11-27T12:00:00Z", "clientState": None}
    assert len(webhook.handshakes) == 1


async def test_a_deleted_subscription_is_not_found(graph, house, webhook):
    made = await graph.subscribe(house.inbox, webhook.url)
    path = f"/subscriptions/{made.body['id']}"
    assert (await graph.call("DELETE", path)).status == 204
    for method, body in (("GET", None), ("DELETE", None), ("PATCH", {"expirationDateTime": graph.after(DAY)})):
        answer = await graph.call(method, path, body)
        assert (answer.status, answer.code) == (404, "ResourceNotFound")
        assert answer.message == "The object was not found."


async def test_an_expired_subscription_is_not_found(graph, house, webhook):
    made = await graph.subscribe(house.inbox, webhook.url, minutes=45)
    graph.simulator.world.settings.access_token_minutes = 10_000
    graph.token = graph.simulator.world.app_token(house.app, house.tenant.id)[0]
    graph.simulator.clock.advance(45 * 60)
    assert (await graph.renew(made.body["id"], DAY)).status == 404


async def test_reauthorizing_answers_with_nothing(graph, house, webhook):
    made = await graph.subscribe(house.inbox, webhook.url)
    answer = await graph.call("POST", f"/subscriptions/{made.body['id']}/reauthorize")
    assert (answer.status, answer.body) == (204, {})
    assert graph.simulator.world.live(made.body["id"]).reauthorized_at == NOON


async def test_too_long_a_life_is_an_error_and_not_clipped(graph, house, webhook):
    refused = await graph.subscribe(house.inbox, webhook.url, minutes=10_071)
    assert (refused.status, refused.code) == (400, "ExtensionError")
    assert refused.message == "Subscription expiration can only be 10070 minutes in the future."
    assert (await graph.subscribe(house.inbox, webhook.url, minutes=10_070)).status == 201


async def test_a_tenant_can_have_a_lower_ceiling(graph, house, webhook):
    house.tenant.ceiling_minutes = 4_230
    made = await graph.subscribe(house.inbox, webhook.url, minutes=4_230)
    refused = await graph.renew(made.body["id"], 4_231)
    assert refused.message == "Subscription expiration can only be 4230 minutes in the future."


async def test_too_short_a_life_is_raised(graph, house, webhook):
    made = await graph.subscribe(house.inbox, webhook.url, minutes=5)
    assert made.body["expirationDateTime"] == "2026-11-24T12:45:00Z"


async def test_less_can_be_granted_than_was_asked_for(graph, house, webhook):
    graph.simulator.world.settings.grant_at_most_minutes = DAY
    made = await graph.subscribe(house.inbox, webhook.url, minutes=10_065)
    assert (made.status, made.body["expirationDateTime"]) == (201, "2026-11-25T12:00:00Z")


async def test_duplicates_are_accepted_by_default(graph, house, webhook):
    first = await graph.subscribe(house.inbox, webhook.url)
    second = await graph.subscribe(house.inbox, webhook.url)
    assert (first.status, second.status) == (201, 201)
    assert first.body["id"] != second.body["id"]


async def test_duplicates_are_refused_with_the_id_when_told_so(graph, house, webhook):
    graph.simulator.world.settings.duplicates = "refuse"
    first = await graph.subscribe(house.inbox, webhook.url)
    by_upn = f"users/{house.ann.upn.upper()}/mailFolders/INBOX/messages"
    refused = await graph.subscribe(by_upn, webhook.url)
    assert (refused.status, refused.code) == (409, "ObjectIdentifierInUse")
    assert refused.message == f"Subscription Id {first.body['id']} already exists for the requested combination"
    assert (await graph.subscribe(house.bobs_inbox, webhook.url)).status == 201
    assert (await graph.subscribe(house.inbox, webhook.url, changeType="created,deleted")).status == 201


async def test_a_mailbox_holds_no_more_than_its_limit(graph, house, webhook):
    graph.simulator.world.settings.mailbox_subscription_limit = 2
    for _ in range(2):
        assert (await graph.subscribe(house.inbox, webhook.url)).status == 201
    refused = await graph.subscribe(house.inbox, webhook.url)
    assert refused.status == 429
    assert refused.message == (
        "SubscriptionCountReached has reached limit of '2'. Please retry after '12/31/9999 11:59:59 PM'"
    )
    assert "Retry-After" not in refused.headers


async def test_only_expiry_and_url_can_be_changed(graph, house, webhook):
    made = await graph.subscribe(house.inbox, webhook.url)
    path = f"/subscriptions/{made.body['id']}"
    for body in ({"changeType": "deleted"}, {"expirationDateTime": graph.after(DAY), "resource": "/me/messages"}, {}):
        assert (await graph.call("PATCH", path, body)).status == 400


@pytest.mark.parametrize(
    ("resource", "status", "code"),
    [
        ("/users/nobody@contoso.example.com/messages", 404, "ErrorInvalidUser"),
        ("/users/o'brien@contoso.example.com/messages", 404, "ErrorInvalidUser"),
        ("/users/{ann}/mailFolders('nowhere')/messages", 404, "ErrorItemNotFound"),
        ("/users/{ann}/events", 400, "InvalidRequest"),
        ("/me/messages", 400, "BadRequest"),
    ],
)
async def test_a_resource_that_is_not_there_cannot_be_watched(graph, house, webhook, resource, status, code):
    answer = await graph.subscribe(resource.format(ann=house.ann.user_id), webhook.url)
    assert (answer.status, answer.code) == (status, code)
    assert webhook.handshakes == []


async def test_an_apostrophe_is_taken_in_a_quoted_key_where_it_is_doubled(graph, house, webhook):
    obrien = graph.simulator.world.add_mailbox(house.tenant.id, "o'brien@contoso.example.com", folders=["Pat's"])
    made = await graph.subscribe("/users('o''brien@contoso.example.com')/mailFolders('Pat''s')/messages", webhook.url)
    assert made.status == 201
    assert graph.simulator.world.live(made.body["id"]).folder == obrien.folder("Pat's").id
    plain = await graph.subscribe("/users/o'brien@contoso.example.com/messages", webhook.url)
    assert (plain.status, plain.code) == (404, "ErrorInvalidUser")


async def test_a_folder_of_the_users_own_can_be_watched(graph, house, webhook):
    folder = house.ann.folder("Invoices")
    made = await graph.subscribe(f"/users/{house.ann.user_id}/mailFolders/{folder.id}/messages", webhook.url)
    assert made.status == 201
    assert graph.simulator.world.live(made.body["id"]).folder == folder.id


async def test_a_mailbox_outside_exchange_online_is_named_as_such(graph, house, webhook):
    made = await graph.subscribe(house.inbox, webhook.url)
    house.ann.enabled = False
    for answer in (await graph.subscribe(house.inbox, webhook.url), await graph.renew(made.body["id"], DAY)):
        assert (answer.status, answer.code) == (404, "MailboxNotEnabledForRESTAPI")


async def test_an_access_policy_keeps_an_app_out_of_one_mailbox(graph, house, webhook):
    house.ann.denied_clients.add(house.app.client_id)
    refused = await graph.subscribe(house.inbox, webhook.url)
    assert (refused.status, refused.code) == (403, "ExtensionError")
    assert refused.message.startswith("Operation: Create; Exception: [Status Code: Forbidden; Reason:")
    assert (await graph.subscribe(house.bobs_inbox, webhook.url)).status == 201


async def test_without_the_permission_access_is_denied(graph, house, webhook):
    house.app.roles[house.tenant.id] = frozenset({"User.Read.All"})
    weak = graph.as_caller(graph.simulator.world.app_token(house.app, house.tenant.id)[0])
    answer = await weak.subscribe(house.inbox, webhook.url)
    assert (answer.status, answer.code) == (403, "ErrorAccessDenied")


async def test_a_body_that_is_no_json_is_a_bad_request(graph, session):
    headers = {"Authorization": f"Bearer {graph.token}"}
    for body in (b"{", b"[]", b"", b"\xff"):
        async with session.post(f"{graph.simulator.graph_url}/subscriptions", data=body, headers=headers) as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]["code"] == "BadRequest"


async def test_an_unknown_path_is_named(graph):
    answer = await graph.call("GET", "/nothing/here")
    assert (answer.status, answer.message) == (400, "Resource not found for the segment 'nothing/here'.")
