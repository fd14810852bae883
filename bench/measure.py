#!/usr/bin/env python3
"""Measures fettle beside its peers in one run on one machine, and prints ratios.

  measure.py exposition BUILD OUT       /metrics with 10,000 series: prometheus-cpp's serializer, Pushgateway
  measure.py restart BUILD OUT [TRIALS] engine says unhealthy -> restart called: beside a loop that does
                                        what docker-autoheal does (ask every 5 s, restart one after the other)

OUT is a directory: rows are appended to OUT/table.tsv, samples to OUT/*.tsv.
"""
import gzip, http.client, json, os, socket, statistics, subprocess, sys, tempfile, threading, time, urllib.request


def row(out, what, ours, peer, unit, peer_name):
    ratio = peer / ours if ours else float("inf")
    with open(os.path.join(out, "table.tsv"), "a") as f:
        f.write(f"{what}\t{ours:.4g} {unit}\t{peer:.4g} {unit} ({peer_name})\t{ratio:.1f}x\n")
    print(f"{what}: fettle {ours:.4g} {unit}, {peer_name} {peer:.4g} {unit}: {ratio:.1f}x", flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get_ms(url, encoding, times=60):
    """Median time of a GET over one connection, in ms, after ten to warm up."""
    host = url.split("//")[1].split("/")[0]
    connection = http.client.HTTPConnection(host)
    took = []
    for i in range(times + 10):
        began = time.perf_counter()
        connection.request("GET", "/metrics", headers={"Accept-Encoding": encoding} if encoding else {})
        body = connection.getresponse().read()
        took.append((time.perf_counter() - began) * 1e3)
    text = gzip.decompress(body) if encoding else body
    lines = sum(1 for line in text.splitlines() if line.startswith(b"bench_family_"))
    assert lines == 10_000, f"{url} shows {lines} series"
    return statistics.median(took[10:])


def exposition(build, out):
    result = subprocess.run([f"{build}/bench/exposition_bench", "--benchmark_format=json", "--benchmark_repetitions=5",
                             "--benchmark_report_aggregates_only=true"], check=True, capture_output=True)
    ms = {b["run_name"]: b["real_time"] for b in json.loads(result.stdout)["benchmarks"] if b["aggregate_name"] == "median"}
    row(out, "page of 10k series, after a change", ms["Changed/gzip:0"], ms["PrometheusCpp"], "ms", "prometheus-cpp")
    row(out, "page of 10k series, between changes", ms["Scrape/gzip:0"], ms["PrometheusCpp"], "ms", "prometheus-cpp")

    ours = subprocess.Popen([f"{build}/bench/exposition_server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    port = free_port()
    peer = subprocess.Popen(["prometheus-pushgateway", f"--web.listen-address=127.0.0.1:{port}"], stderr=subprocess.DEVNULL)
    try:
        url = ours.stdout.readline().strip()
        text = urllib.request.urlopen(url + "/metrics").read()
        peer_url = f"http://127.0.0.1:{port}"
        for _ in range(100):
            try:
                urllib.request.urlopen(peer_url + "/-/ready").read()
                break
            except OSError:
                time.sleep(0.1)
        urllib.request.urlopen(urllib.request.Request(peer_url + "/metrics/job/bench", data=text, method="PUT")).read()
        row(out, "GET /metrics, 10k series", get_ms(url, ""), get_ms(peer_url, ""), "ms", "Pushgateway")
        row(out, "GET /metrics, 10k series, gzip", get_ms(url, "gzip"), get_ms(peer_url, "gzip"), "ms", "Pushgateway")
    finally:
        ours.stdin.close()
        ours.wait()
        peer.terminate()
        peer.wait()


class Docker(http.client.HTTPConnection):
    """One request a connection, over the engine's socket."""

    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    @classmethod
    def call(cls, path, method, url, body=None):
        connection = cls(path)
        connection.request(method, "/v1.41" + url, body=None if body is None else json.dumps(body),
                           headers={"Content-Type": "application/json"})
        response = connection.getresponse()
        data = response.read()
        assert response.status < 300 or response.status == 304, (url, response.status, data)
        return json.loads(data) if data.strip().startswith((b"{", b"[")) else data


class Engine:
    """dockerd in a directory of its own, with one container image made of busybox."""

    def __init__(self, dir):
        self.socket = f"{dir}/docker.sock"
        self.log = open(f"{dir}/dockerd.log", "w")
        self.daemon = subprocess.Popen([os.path.join(os.path.dirname(__file__), "../deploy/scratch-engine"), dir], stdout=self.log, stderr=self.log)
        for _ in range(300):
            try:
                Docker.call(self.socket, "GET", "/version")
                break
            except OSError:
                time.sleep(0.1)
        root = f"{dir}/root/bin"
        os.makedirs(root)
        subprocess.run(["cp", "/bin/busybox", root], check=True)
        for tool in ("sh", "sleep", "test", "touch", "rm"):
            os.symlink("busybox", f"{root}/{tool}")
        tar = subprocess.run(["tar", "-C", f"{dir}/root", "-c", "."], check=True, capture_output=True).stdout
        subprocess.run(["docker", "-H", f"unix://{self.socket}", "import", "-", "box"], input=tar, check=True, capture_output=True)
        self.events, self.changed = [], threading.Condition()
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        connection = Docker(self.socket)
        connection.request("GET", "/v1.41/events")
        for line in connection.getresponse():
            event = json.loads(line)
            if event.get("Type") == "container" and not event["Action"].startswith("exec"):
                with self.changed:
                    self.events.append((event["timeNano"] / 1e9, event["Action"]))
                    self.changed.notify_all()

    def wait(self, action, after):
        """The time of the first such event after a moment."""
        with self.changed:
            found = lambda: next((t for t, a in self.events if a.startswith(action) and t > after), None)
            assert self.changed.wait_for(lambda: found() is not None, timeout=60), f"no {action} within 60 s"
            return found()

    def run(self, service):
        Docker.call(self.socket, "POST", f"/containers/create?name=shop-{service}-1", {
            "Image": "box", "Cmd": ["/bin/sh", "-c", "touch /ok; trap 'exit 0' TERM; while sleep 0.05; do :; done"],
            "Labels": {"com.docker.compose.project": "shop", "com.docker.compose.service": service},
            "Healthcheck": {"Test": ["CMD", "/bin/test", "-e", "/ok"], "Interval": int(5e8), "Timeout": int(1e9), "Retries": 1},
            "HostConfig": {"NetworkMode": "none"}})
        Docker.call(self.socket, "POST", f"/containers/shop-{service}-1/start")

    def remove(self, service):
        Docker.call(self.socket, "DELETE", f"/containers/shop-{service}-1?force=1")

    def make_sick(self, service):
        exec_id = Docker.call(self.socket, "POST", f"/containers/shop-{service}-1/exec", {"Cmd": ["/bin/rm", "-f", "/ok"]})["Id"]
        Docker.call(self.socket, "POST", f"/exec/{exec_id}/start", {"Detach": True})

    def end(self):
        for container in Docker.call(self.socket, "GET", "/containers/json?all=1"):
            Docker.call(self.socket, "DELETE", f"/containers/{container['Id']}?force=1")
        self.daemon.terminate()
        self.daemon.wait()


def trials(engine, count):
    """Seconds from the engine's "unhealthy" to the first signal of a restart. Each trial is a service of its
    own: one that falls ill again and again is restarted after a growing pause, on purpose."""
    took = []
    for i in range(count):
        began = time.time()
        engine.run(f"web{i}")
        healthy = engine.wait("health_status: healthy", began)
        time.sleep((i % 10) / 10)  # every phase of a poll
        engine.make_sick(f"web{i}")
        sick = engine.wait("health_status: unhealthy", healthy)
        took.append(engine.wait("kill", sick) - sick)
        engine.wait("health_status: healthy", sick)
        engine.remove(f"web{i}")
    return took


def autoheal_loop(path, stop):
    while not stop.wait(5):
        sick = Docker.call(path, "GET", "/containers/json?filters=%7B%22health%22%3A%5B%22unhealthy%22%5D%7D")
        for container in sick:
            Docker.call(path, "POST", f"/containers/{container['Id']}/restart?t=10")


CONFIG = """
connections: {docker: {local: {endpoint: "unix://%s"}}}
exporter: {interval: 15s, docker: {connection: local}}
rules: {evaluation_interval: 15s, rule_files: [builtin]}
receivers:
  targets: [%s]
  guards: {attempts: [1000/1h]}
  repairs:
  - name: heal
    matchers: ['alertname="ContainerUnhealthy"']
    target: {label: service}
    mode: auto
    guards: {cooldown: 0s, attempts: [1000/1h]}
    verify: {within: 20s, hold: 0s}
    actions: [{restart: {}}]
"""


def restart(build, out, count=25):
    with tempfile.TemporaryDirectory(prefix="fettle-bench-") as dir:
        engine = Engine(dir)
        try:
            with open(f"{dir}/fettle.yml", "w") as f:
                targets = [f"{{name: web{i}, docker: {{connection: local, project: shop, service: web{i}}}, stop_timeout: 1s}}" for i in range(count)]
                f.write(CONFIG % (engine.socket, ", ".join(targets)))
            port = free_port()
            fettle = subprocess.Popen([f"{build}/fettle", "serve", f"--config.file={dir}/fettle.yml", f"--storage.path={dir}/state",
                                       f"--web.listen-address=127.0.0.1:{port}"], stderr=open(f"{out}/fettle.log", "w"))
            for _ in range(100):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready").read()
                    break
                except OSError:
                    time.sleep(0.1)
            ours = trials(engine, count)
            fettle.terminate()
            fettle.wait()
            stop = threading.Event()
            loop = threading.Thread(target=autoheal_loop, args=(engine.socket, stop))
            loop.start()
            theirs = trials(engine, count)
            stop.set()
            loop.join()
        finally:
            engine.end()
            subprocess.run(f"grep -o ' {dir}[^ ]*' /proc/mounts | sort -r | xargs -r umount", shell=True)
    for name, took in (("fettle", ours), ("autoheal", theirs)):
        with open(os.path.join(out, f"restart_{name}.tsv"), "w") as f:
            f.writelines(f"{t:.4f}\n" for t in sorted(took))
    subprocess.run(["gnuplot"], text=True, check=True, input=f"""
set terminal svg size 720,360 background rgb 'white'
set output '{out}/restart.svg'
set title 'engine says unhealthy, restart called: seconds (log), sorted trials'
set logscale y
set ylabel 's'
set grid y
set key left top
plot '{out}/restart_fettle.tsv' with linespoints title 'fettle', '{out}/restart_autoheal.tsv' with linespoints title 'docker-autoheal loop'
""")
    row(out, f"unhealthy to restart called, median of {count}", statistics.median(ours), statistics.median(theirs), "s", "docker-autoheal's loop")
    row(out, f"unhealthy to restart called, worst of {count}", max(ours), max(theirs), "s", "docker-autoheal's loop")


if __name__ == "__main__":
    what, build, out = sys.argv[1:4]
    if what == "exposition":
        exposition(build, out)
    else:
        restart(build, out, int(sys.argv[4]) if len(sys.argv) > 4 else 25)
