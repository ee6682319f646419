"""How names, paths and amounts are written in Kubernetes and on a node."""

from nodeprov.inventory.kinds import Boolean, Dates, FixedTable, LabelSelector, Text, TimeZone, WholeNumber

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN = rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*"
_QUALIFIED = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
# No blank, quote or colon: a path becomes a part of PATH, of scripts and of containerd's configuration.
_ABSOLUTE = r"/(?!/)(?!(.*/)?\.\.?(/|$))(?!.*//)[A-Za-z0-9._/@+-]*[A-Za-z0-9._@+-]"

BOOLEAN = Boolean()
ANY_TEXT = Text()

# RFC 1123, as in k8s.io/apimachinery, pkg/util/validation/validation.go.
DNS_LABEL = Text("a DNS label: up to 63 lower-case letters, digits and -, the first and last no -", _LABEL)
# runc is what other pods run: a table of that name would be theirs.
HANDLER = Text(f"the name of a handler of its own ({DNS_LABEL.expected}; not runc)", rf"(?!runc$){_LABEL}")
DNS_SUBDOMAIN = Text("a name as Kubernetes has it: lower-case letters, digits, - and .", _SUBDOMAIN)
GROUP = Text("a name of a group: letters, digits, - and _", r"[A-Za-z0-9][A-Za-z0-9_-]*")
GLOB = Text("a node's name or a glob, such as worker-1 or gpu-*", r"[a-z0-9.*?!\[\]-]+")
LABEL_KEY = Text("a label's key, such as example.com/gvisor", rf"({_SUBDOMAIN}/)?{_QUALIFIED}")
STARTUP_TAINT = Text(
    "a key below readiness.k8s.io/, such as readiness.k8s.io/gvisor", rf"readiness\.k8s\.io/{_QUALIFIED}"
)
LABEL_VALUE = Text("a label's value: up to 63 letters, digits, -, _ and .", rf"({_QUALIFIED})?")
# k8s.io/apimachinery, pkg/api/resource/quantity.go, without a sign.
QUANTITY = Text(
    "an amount such as 64Mi or 50m",
    r"([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?",
)
RESOURCE = Text("a resource, such as memory or cpu", LABEL_KEY.pattern)

ABSOLUTE_PATH = Text(
    "an absolute path of letters, digits and ._@+-, without //, . or .. in it, or a / at its end", _ABSOLUTE
)
ABSOLUTE_PATH_OR_NONE = Text(f'{ABSOLUTE_PATH.expected}, or "" for none', rf"({_ABSOLUTE})?")
LOCAL_PATH = Text("a path on this machine; ~ is allowed", r"[^\n\0]+")
WORD = Text("a word without blanks", r"\S+")
COMMAND = Text("a command: words with one blank between them", r"[^\s\"'\\]+( [^\s\"'\\]+)*")
ADDRESS = Text("a host name, an address or an alias of ~/.ssh/config", r"[^\s@/\-][^\s@/]*")
PORT = WholeNumber("a port from 1 to 65535", at_least=1, at_most=65535)
WEEK_SECONDS = 7 * 24 * 3600
"""The longest that anything is waited for; Python cannot wait for more than some weeks of milliseconds."""
SECONDS = WholeNumber("a number of seconds from 1 to 604800, a week", at_least=1, at_most=WEEK_SECONDS)
RATE = WholeNumber("a number of bytes a second, 0 for any", at_least=0)
URL = Text("an http:// or https:// address, or an absolute folder", r"https?://[^\s/]\S*|(file://)?/\S*")

RELEASE = Text('a release such as "20260905.0", or "latest"', r"latest|[0-9]{8}(\.[0-9]+)?")
ARCHITECTURE = Text("an architecture as `uname -m` prints it: x86_64 or aarch64", "x86_64|aarch64")
SHA512 = Text("a SHA-512 digest: 128 lower-case hex digits", "[0-9a-f]{128}")
# Those of containerd/distributions/profiles.py, as a test sees: to import them would cost each completion 10 ms.
DISTRIBUTIONS = ("plain", "k3s", "rke2", "k0s", "microk8s")
NAMES_OF_DISTRIBUTIONS = f"{', '.join(DISTRIBUTIONS[:-1])} or {DISTRIBUTIONS[-1]}"
DISTRIBUTION = Text(f"a distribution: {NAMES_OF_DISTRIBUTIONS}", "|".join(DISTRIBUTIONS))
PLATFORM = Text("a platform of gVisor: systrap, kvm or ptrace", "systrap|kvm|ptrace")
UNCONFIRMED = Text("keep or restore", "keep|restore")
CONFIG_STYLE = Text("root or dropin", "root|dropin")
PENDING_CHANGES = Text("refuse or activate", "refuse|activate")
AFTER_ROLLBACK = Text("hold or forward", "hold|forward")
GENERATIONS = WholeNumber("a number of generations, 0 for none", at_least=0)

COUNT = WholeNumber("a number of nodes, 0 for none", at_least=0)
AT_LEAST_ONE = WholeNumber("a number of nodes above 0", at_least=1)
SECONDS_OR_NONE = WholeNumber(
    "a number of seconds up to 604800, a week; 0 for none", at_least=0, at_most=WEEK_SECONDS
)
SHARE = Text("a number of nodes such as 3, or a part of them such as 25%", r"[1-9][0-9]{0,4}|([1-9][0-9]?|100)%")
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"
WINDOW = Text(
    "a span of the day such as 02:00-04:00, or 23:00-01:00 over midnight", rf"(?!(.*)-\1$){_TIME}-({_TIME}|24:00)"
)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = Text(f"a day: {', '.join(DAYS[:-1])} or {DAYS[-1]}", "|".join(DAYS))
DATES = Dates("a date such as 2026-12-24, or a span of them such as 2026-12-24/2027-01-02")
TIME_ZONE = TimeZone("a time zone of the IANA database, such as UTC or Europe/Berlin")
SELECTOR = LabelSelector("labels as kubectl selects by them, such as app=batch,tier in (a,b)")
TOO_LONG = Text("fail or evict", "fail|evict")
SHELL = Text("a command for sh", r"[^\0]*\S[^\0]*")

# What nodeprov derives from the node or has a key for: its own word must be the only one.
FLAG = Text(
    "a flag that may be set here: without dashes; platform is a key of [runtime], systemd-cgroup is derived",
    r"(?!(platform|systemd-cgroup)$)[a-z0-9][a-z0-9-]*",
)
# k8s.io/api, core/v1, `Toleration`.
TOLERATION = FixedTable(
    {
        "key": LABEL_KEY,
        "operator": Text("Exists or Equal", "Exists|Equal"),
        "value": LABEL_VALUE,
        "effect": Text("NoSchedule, PreferNoSchedule or NoExecute", "NoSchedule|PreferNoSchedule|NoExecute"),
        "tolerationSeconds": WholeNumber("a number of seconds", at_least=0),
    }
)
