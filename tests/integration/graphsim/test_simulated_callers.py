import pytest

DAY = 1_440


async def test_errors_carry_the_ids_and_the_simulated_time(graph):
    answer = await graph.call("GET", "/subscriptions/none", None, **{"client-request-id": "my-own-id"})
    inner = answer.body["error"]["innerError"]
    assert inner == {
        "date": "2026-11-24T12:00:00",
        "request-id": answer.headers["request-id"],
        "client-request-id": "my-own-id",
    }
    assert answer.headers["client-request-id"] == "my-own-id"
    assert answer.headers["Date"] == "Tue, 24 Nov 2026 12:00:00 GMT"


async def test_the_date_header_follows_the_simulated_clock(graph):
    graph.simulator.clock.advance(86_400)
    assert (await graph.call("GET", "/subscriptions")).headers["Date"] == "Wed, 25 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "Access token is empty."),
        ("nonsense", "IDX14100: JWT is not well formed, there are no dots (.)."),
    ],
)
async def test_without_a_sound_token_nothing_works(graph, token, message):
    answer = await graph.as_caller(token).call("GET", "/subscriptions")
    assert (answer.status, answer.code, answer.message) == (401, "InvalidAuthenticationToken", message)


async def test_an_expired_token_is_refused_in_graphs_words(graph):
    graph.simulator.clock.advance(3_600)
    answer = await graph.call("GET", "/subscriptions")
    assert (answer.status, answer.code) == (401, "InvalidAuthenticationToken")
    assert answer.message == "Lifetime validation failed, the token is expired."


async def test_a_user_sees_only_her_own_subscriptions_and_the_app_sees_all(graph, ann, house, webhook):
    hers = await ann.subscribe("/me/mailFolders('inbox')/messages", webhook.url)
    others = await graph.subscribe(house.bobs_inbox, webhook.url)
    assert hers.body["creatorId"] == house.ann.user_id
    seen = [entry["id"] for entry in (await ann.call("GET", "/subscriptions")).body["value"]]
    assert seen == [hers.body["id"]]
    assert (await ann.call("GET", f"/subscriptions/{others.body['id']}")).status == 404
    assert (await ann.renew(others.body["id"], DAY)).status == 404
    seen_by_app = [entry["id"] for entry in (await graph.call("GET", "/subscriptions")).body["value"]]
    assert seen_by_app == [hers.body["id"], others.body["id"]]
    assert (await graph.renew(hers.body["id"], DAY)).status == 200


async def test_a_user_cannot_watch_another_users_mail(ann, house, webhook):
    answer = await ann.subscribe(house.bobs_inbox, webhook.url)
    assert (answer.status, answer.code) == (403, "ErrorAccessDenied")


async def test_apps_and_tenants_do_not_see_each_other(graph, house, webhook):
    world = graph.simulator.world
    made = await graph.subscribe(house.inbox, webhook.url)
    rival = world.add_app("rival")
    elsewhere = world.add_tenant("Fabrikam")
    world.allow_app(house.app, elsewhere.id, ["Mail.Read"])
    for token in (world.app_token(rival, house.tenant.id)[0], world.app_token(house.app, elsewhere.id)[0]):
        stranger = graph.as_caller(token)
        assert (await stranger.call("GET", f"/subscriptions/{made.body['id']}")).status == 404
        assert (await stranger.call("DELETE", f"/subscriptions/{made.body['id']}")).status == 404
        assert (await stranger.call("GET", "/subscriptions")).body["value"] == []
    foreign = graph.as_caller(world.app_token(house.app, elsewhere.id)[0])
    assert (await foreign.subscribe(house.inbox, webhook.url)).code == "ErrorInvalidUser"


async def all_pages(graph, path="/subscriptions"):
    pages = []
    while path:
        body = (await graph.call("GET", path)).body
        pages.append([entry["id"] for entry in body["value"]])
        path = body.get("@odata.nextLink")
    return pages


def fill(graph, house, count):
    return [
        graph.simulator.world.add_subscription(
            house.ann, house.app, notification_url="https://hook.example.com", minutes=60
        ).id
        for _ in range(count)
    ]


async def test_the_list_comes_in_pages(graph, house):
    ids = fill(graph, house, 5)
    graph.simulator.world.settings.page_size = 2
    assert await all_pages(graph) == [ids[:2], ids[2:4], ids[4:]]


async def test_the_list_may_be_full_of_empty_pages(graph, house):
    ids = fill(graph, house, 3)
    settings = graph.simulator.world.settings
    settings.page_size, settings.empty_pages = 2, 2
    assert await all_pages(graph) == [[], [], ids[:2], [], [], ids[2:]]


async def test_the_list_may_leave_out_what_a_get_still_finds(graph, house):
    ids = fill(graph, house, 40)
    graph.simulator.world.settings.list_omits_share = 0.5
    listed = (await all_pages(graph))[0]
    assert 5 < len(listed) < 35
    left_out = next(one for one in ids if one not in listed)
    assert (await graph.call("GET", f"/subscriptions/{left_out}")).status == 200
    graph.simulator.world.settings.list_omits_share = 1.0
    assert await all_pages(graph) == [[]]


async def test_paging_goes_on_while_subscriptions_come_and_go(graph, house):
    ids = fill(graph, house, 4)
    graph.simulator.world.settings.page_size = 2
    first = (await graph.call("GET", "/subscriptions")).body
    graph.simulator.world.end_subscription(graph.simulator.world.live(ids[1]), "deleted")
    late = fill(graph, house, 1)
    rest = await all_pages(graph, first["@odata.nextLink"])
    assert [one for page in rest for one in page] == ids[2:] + late


async def test_a_broken_skip_token_is_a_bad_request(graph):
    assert (await graph.call("GET", "/subscriptions?$skiptoken=%FF")).status == 400


async def test_mail_is_read_newest_first(graph, ann, house):
    world = graph.simulator.world
    for number in range(3):
        graph.simulator.clock.advance(60)
        world.receive_message(house.ann, "inbox" if number else "archive", f"number {number}")
    newest = await ann.call("GET", "/me/mailFolders('inbox')/messages?$top=1")
    assert [one["subject"] for one in newest.body["value"]] == ["number 2"]
    assert newest.body["value"][0]["receivedDateTime"] == "2026-11-24T12:03:00Z"
    everything = await graph.call("GET", f"/users/{house.ann.user_id}/messages")
    assert [one["subject"] for one in everything.body["value"]] == ["number 2", "number 1", "number 0"]
    later = await ann.call("GET", "/me/messages?$filter=receivedDateTime gt 2026-11-24T12:02:00Z")
    assert [one["subject"] for one in later.body["value"]] == ["number 2"]


NEWEST = "messages?$top=1&$select=receivedDateTime&$orderby=receivedDateTime desc"


@pytest.mark.parametrize("folder", ["mailFolders/inbox", "mailFolders('inbox')"])
async def test_the_moment_of_the_newest_message_is_one_narrow_call(graph, ann, house, folder):
    asked = [(ann, "/me"), (graph, f"/users/{house.ann.user_id}"), (graph, f"/users/{house.ann.upn}")]
    assert [(await one.call("GET", f"{path}/{folder}/{NEWEST}")).body["value"] for one, path in asked] == [[]] * 3
    for name in ("inbox", "inbox", "archive"):
        graph.simulator.clock.advance(60)
        newest = graph.simulator.world.receive_message(house.ann, name)
        if name == "inbox":
            expected = newest.id
    for one, path in asked:
        (shown,) = (await one.call("GET", f"{path}/{folder}/{NEWEST}")).body["value"]
        assert sorted(shown) == ["@odata.etag", "id", "receivedDateTime"]
        assert (shown["id"], shown["receivedDateTime"]) == (expected, "2026-11-24T12:02:00Z")


async def test_mail_is_read_oldest_first_when_asked_and_in_no_other_order(graph, ann, house):
    for number in range(2):
        graph.simulator.clock.advance(60)
        graph.simulator.world.receive_message(house.ann, subject=f"number {number}")
    oldest = await ann.call("GET", "/me/messages?$orderby=receivedDateTime")
    assert [one["subject"] for one in oldest.body["value"]] == ["number 0", "number 1"]
    assert (await ann.call("GET", "/me/messages?$orderby=subject")).status == 400


async def test_the_signed_in_user_and_the_folders_are_shown(ann, house):
    assert (await ann.call("GET", "/me")).body["id"] == house.ann.user_id
    names = [one["displayName"] for one in (await ann.call("GET", "/me/mailFolders")).body["value"]]
    assert names[0] == "inbox"
    assert names[-1] == "Invoices"
    assert (await ann.call("GET", "/me/mailFolders/inbox")).body["id"] == house.ann.folder("inbox").id
    assert (await ann.call("GET", "/me/mailFolders/nowhere/messages")).code == "ErrorItemNotFound"


async def test_the_app_by_itself_is_nobody(graph):
    answer = await graph.call("GET", "/me")
    assert (answer.status, answer.code) == (400, "BadRequest")
