"""Logs in by HTTP Digest as alice, with the HTTP client that is named, and prints the status of each response.

usage: client.py CLIENT URL ADDRESS CA_FILE PASSWORD COUNT

URL is of the host gate.example.org, which is found at ADDRESS. After a first request come COUNT more at the same time,
under the nonce of the first where the client can do that. `alternating` makes each on a connection of its own.
"""

import asyncio
import json
import socket
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor

client, url, address, ca_file, password, count = sys.argv[1:]
count = int(count)

resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **named: resolve(
    address if host in ("gate.example.org", b"gate.example.org") else host, *rest, **named
)


def with_requests():
    import requests
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    session.trust_env = False
    session.verify = ca_file
    session.mount("https://", HTTPAdapter(pool_connections=1, pool_maxsize=20))
    auth = requests.auth.HTTPDigestAuth("alice", password)
    yield session.get(url, auth=auth).status_code
    # The library keeps a nonce for each thread: the answers are made by this one, and sent by all.
    answers = [auth.build_digest_header("GET", url) for _ in range(count)]
    send = lambda answer: session.get(url, headers={"Authorization": answer}).status_code
    with ThreadPoolExecutor(20) as pool:
        yield from pool.map(send, answers)


def with_httpx():
    import httpx

    async def run():
        auth = httpx.DigestAuth("alice", password)
        context = ssl.create_default_context(cafile=ca_file)
        async with httpx.AsyncClient(auth=auth, verify=context, trust_env=False, timeout=60) as session:
            first = await session.get(url)
            others = await asyncio.gather(*(session.get(url) for _ in range(count)))
            return [response.status_code for response in [first, *others]]

    yield from asyncio.run(run())


def alternating():
    import httpx

    auth = httpx.DigestAuth("alice", password)
    context = ssl.create_default_context(cafile=ca_file)
    for _ in range(count + 1):
        with httpx.Client(auth=auth, verify=context, trust_env=False, timeout=60) as session:
            yield session.get(url).status_code


def with_pycurl():
    import pycurl

    def handle():
        handle = pycurl.Curl()
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.CAINFO, ca_file)
        handle.setopt(pycurl.PROXY, "")
        handle.setopt(pycurl.RESOLVE, [f"gate.example.org:{url.split(':')[2].split('/')[0]}:{address}"])
        handle.setopt(pycurl.HTTPAUTH, pycurl.HTTPAUTH_DIGEST)
        handle.setopt(pycurl.USERNAME, "alice")
        handle.setopt(pycurl.PASSWORD, password)
        handle.setopt(pycurl.WRITEFUNCTION, len)
        handle.setopt(pycurl.TIMEOUT, 60)
        return handle

    # A handle keeps its nonce from one request to the next.
    one = handle()
    for _ in range(count + 1):
        one.perform()
        yield one.getinfo(pycurl.RESPONSE_CODE)


clients = {"requests": with_requests, "httpx": with_httpx, "pycurl": with_pycurl, "alternating": alternating}
print(json.dumps(list(clients[client]())))
