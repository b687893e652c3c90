"""What commands print in columns: each cell under its header, or a bad row."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import names, read, rows
from wcwidth import wcswidth, wcwidth

from qasino_cli.errors import InputRejected
from qasino_cli.readers.padding import TerminalPlaces
from qasino_server.render import text_table

DOCKER = """\
CONTAINER ID   IMAGE     COMMAND   CREATED          STATUS          PORTS      NAMES
4c01db0b339c   ubuntu    "bash"    17 seconds ago   Up 16 seconds              webapp
d7886598dbe2   redis     "redis"   33 minutes ago   Up 33 minutes   6379/tcp   redis
"""
SHORT_DF = """\
Filesystem     1024-blocks     Used Available Capacity Mounted on
/dev/vda1        263174212 41241828 208490416      17% /
"""
PS_EF = """\
UID          PID    PPID  C STIME TTY          TIME CMD
root           1       0  0 07:47 ?        00:00:21 /sbin/init -x
root           2       0  0 07:47 ?        00:00:00 [kthreadd]
"""
PUSHED = """\
USER       PID %CPU    VSZ   RSS TTY   TIME COMMAND
root         1  0.2  42200 12692 ?     0:04 init --x  y
root         2  0.0 74123456 999 ?     0:00 [kthreadd]
root         3  0.0 741234567 12345 ?  0:00 big one
"""
SS_PIPED = """\
State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess
LISTEN 0      128          0.0.0.0:2024      0.0.0.0:*    users:(("sshd",pid=1,fd=3))
ESTAB  0      0         [::ffff:10.100.200.1]:22 [::ffff:10.100.200.30]:55555
"""
NETSTAT = """\
Active Internet connections (servers and established)
Proto Recv-Q Send-Q Local Address           Foreign Address         State
tcp        0      0 0.0.0.0:2024            0.0.0.0:*               LISTEN
"""


UNITS = """\
  UNIT          LOAD   ACTIVE SUB     DESCRIPTION
  cron.service  loaded active running Background program processing daemon
  nginx.service loaded failed failed  A web server

"""
LEGEND = """\
Legend: LOAD   → Reflects whether the unit definition was properly loaded.
        ACTIVE → The high-level unit activation state, i.e. generalization of SUB.
        SUB    → The low-level unit activation state, values depend on unit type.
        JOB    → Pending job for the unit.
"""


@pytest.mark.parametrize(
    ("text", "nr_rows", "footers"),
    [
        ("  n  host\n===  =====\n  1  web-1\n  2  NULL \n2 rows returned\n", 2,
         ["2 rows returned"]),
        ("tablename  nr_rows\n=========  =======\n0 rows returned\n", 0, ["0 rows returned"]),
        ("name  up\n----- --\nweb-1  t\n(1 row)\n\n", 1, ["(1 row)"]),
        ("UNIT FILE    STATE   PRESET\na.mount      static  -\n\n243 unit files listed.", 1,
         ["243 unit files listed."]),
        ("NEXT       LEFT    UNIT\nn/a        n/a     a.timer\n\n1 timers listed.\n"
         "Pass --all to see loaded but inactive timers, too.\n", 1,
         ["1 timers listed.", "Pass --all to see loaded but inactive timers, too."]),
        (UNITS + "LOAD   = Reflects whether the unit definition was properly loaded.\n"
         "ACTIVE = The high-level unit activation state, i.e. generalization of SUB.\n\n"
         "2 loaded units listed. Pass --all to see loaded but inactive units, too.\n"
         "To show all installed unit files use 'systemctl list-unit-files'.\n", 2,
         ["LOAD   = Reflects whether the unit definition was properly loaded.",
          "ACTIVE = The high-level unit activation state, i.e. generalization of SUB.",
          "2 loaded units listed. Pass --all to see loaded but inactive units, too.",
          "To show all installed unit files use 'systemctl list-unit-files'."]),
        (UNITS + LEGEND + "\n2 loaded units listed.\n", 2,
         [*map(str.strip, LEGEND.splitlines()), "2 loaded units listed."]),
        (UNITS + LEGEND.replace("→", "->") + "\n2 loaded units listed.\n", 2,
         [*map(str.strip, LEGEND.replace("→", "->").splitlines()), "2 loaded units listed."]),
    ],
)  # fmt: skip
def test_what_stands_below_the_rows_is_none_and_told(
    text: str, nr_rows: int, footers: list[str]
) -> None:
    found = read(text)
    assert (found.form, len(rows(found))) == ("columns", nr_rows)
    told = [f"passed over at its end: {footer}" for footer in footers]
    assert [note for note in found.notes if "at its end" in note] == told


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("N WHAT\n1 cpu  x\n2 rows\n", [2, "rows"]),
        ("N WHAT STATE\n1 cpu  x y\n2 rows returned\n", [2, "rows", "returned"]),
        ("NAME   N\n2 rows returned\nweb-1  1\n", ["web-1", "1"]),
    ],
)
def test_a_line_that_has_all_cells_is_a_row_whatever_it_says(text: str, last: list[Any]) -> None:
    found = read(text, skip_bad_rows=True)
    assert rows(found)[-1] == last
    assert not any("at its end" in note for note in found.notes)
    assert len(rows(found)) + len(found.rejects) == 2


SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
SWAP = "/dev/sda2                               partition\t8388604\t\t0\t\t-2\n"
SWAP_FILE = "/swapfile                               file\t\t20971480\t1024\t\t-3\n"


@pytest.mark.parametrize("swaps", ["", SWAP, SWAP_FILE, SWAP + SWAP_FILE, SWAP * 3])
def test_a_header_that_is_padded_with_tabs_has_no_empty_names(swaps: str) -> None:
    found = read(SWAPS + swaps)
    assert found.form == "columns"
    assert names(found) == ["Filename", "Type", "Size", "Used", "Priority"]
    assert rows(found) == [
        ["/dev/sda2", "partition", 8388604, 0, -2]
        if "sda" in line
        else ["/swapfile", "file", 20971480, 1024, -3]
        for line in swaps.splitlines()
    ]


@pytest.mark.parametrize("text", ["a\t\tb\n1\t2\t3\n", "\ta\tb\n", "a\t\tb\n1\t2\n1\t2\t3\n"])
def test_an_empty_name_between_tabs_is_one_where_a_row_has_a_cell_below_it(text: str) -> None:
    with contextlib.suppress(InputRejected):
        assert read(text).form == "tsv"
    assert read(text, skip_bad_rows=True).form == "tsv"


def test_an_empty_cell_does_not_move_the_cells_after_it() -> None:
    found = read(DOCKER)
    assert names(found)[0] == "CONTAINER_ID"
    assert rows(found)[0][3:] == ["17 seconds ago", "Up 16 seconds", None, "webapp"]
    assert rows(found)[1][3:] == ["33 minutes ago", "Up 33 minutes", "6379/tcp", "redis"]


def test_a_header_of_two_words_is_one_whatever_stands_below() -> None:
    assert names(read(SHORT_DF))[-1] == "Mounted_on"
    assert names(read(PS_EF)) == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert rows(read(PS_EF))[0][-1] == "/sbin/init -x"


BLOCKS = """\
NAME   SIZE MODEL MOUNTPOINT
zram0    0B @
vda    256G       /
"""
LABELS = """\
TARGET SOURCE  LABEL UUID FSTYPE
/proc  proc               proc
/sys   sysfs              sysfs
"""
LOGINS = """\
 UID USER PWD-LOCK PWD-DENY LAST-LOGIN GECOS
   0 root        0        0            root
1000 me          1        0
"""
TYPES = """\
NAME  FSTYPE LABEL   SIZE
zram0                  0B
vda   ext4         465.8G
"""
LAST = """\
NAME  SIZE MODEL
vda   256G@
vdb   128G@
"""


@pytest.mark.parametrize(
    ("text", "header"),
    [
        (BLOCKS.replace("@", "      "), "NAME SIZE MODEL MOUNTPOINT"),
        (BLOCKS.replace("@", ""), "NAME SIZE MODEL MOUNTPOINT"),
        (LABELS, "TARGET SOURCE LABEL UUID FSTYPE"),
        (LOGINS, "UID USER PWD_LOCK PWD_DENY LAST_LOGIN GECOS"),
        (TYPES, "NAME FSTYPE LABEL SIZE"),
        ("NAME   NODE ROLE   AGE\nweb-1              5d\n", "NAME NODE ROLE AGE"),
        (LAST.replace("@", " "), "NAME SIZE MODEL"),
        (LAST.replace("128G@", " 64G").replace("@", ""), "NAME SIZE MODEL"),
    ],
)
def test_a_column_without_a_cell_is_no_second_word_of_the_one_before(
    text: str, header: str
) -> None:
    assert names(read(text)) == header.split()


VOLUMES = """NAME   CAPACITY   ACCESS MODES   RECLAIM POLICY   STATUS   REASON   AGE
pv1    10Gi       RWO            Retain           Bound             5d
"""


@pytest.mark.parametrize(
    ("text", "header"),
    [
        (VOLUMES, "NAME CAPACITY ACCESS_MODES RECLAIM_POLICY STATUS REASON AGE"),
        (VOLUMES.splitlines()[0], "NAME CAPACITY ACCESS_MODES RECLAIM_POLICY STATUS REASON AGE"),
        (
            "ID    Submit Date Now  Type\nab    2026             x\nc     20               y\n",
            "ID Submit_Date_Now Type",
        ),
        ("DRIVER    VOLUME NAME\nlocal     pgdata\nlocal     0f9c\n", "DRIVER VOLUME_NAME"),
    ],
)
def test_the_second_word_of_a_header_is_known_where_columns_are_further_apart(
    text: str, header: str
) -> None:
    assert names(read(text)) == header.split()


PODS = """\
NAME    READY   STATUS    IP           NODE     NOMINATED NODE   READINESS GATES
web-1   1/1     Running   10.42.0.12   node-1   <none>           <none>
web-2   0/1     Pending   <none>                node-2           1/1 x
"""


def test_headers_of_two_words_whose_cells_are_shorter_stay_whole() -> None:
    found = read(PODS)
    assert names(found)[4:] == ["NODE", "NOMINATED_NODE", "READINESS_GATES"]
    assert [row[4:] for row in rows(found)] == [
        ["node-1", "<none>", "<none>"],
        [None, "node-2", "1/1 x"],
    ]


STATS = """\
CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT     MEM %     NET I/O          PIDS
4c01db0b339c   web       0.00%     2.32MiB / 7.67GiB     0.03%     1.05kB / 0B      3
d7886598dbe2   cache     0.12%     3.1MiB / 7.67GiB      0.04%     12.1MB / 3.4kB   5
"""
POD_STATS = """\
ID       MEM %   NET IO   BLOCK IO   CPU TIME   AVG CPU %
a9f807   0.01%   1kB      0B         2.1s       0.10%
"""
SOURCES = """\
MS Name/IP address         Stratum Poll Reach LastRx Last sample
===============================================================================
#* PPS0                          0   4   377    11    +12ns[ -123ns] +/-  456ns
^- time2                         2  10   377   345    -12us[  -12us] +/-   30ms
"""
SOURCE_STATS = """\
Name/IP Address            NP  Span  Frequency  Freq Skew  Offset  Std Dev
===========================================================================
time1.example.com          11   46m     -0.001      0.045      1us     7us
PPS0                        5   46m     -0.001      0.045      1us     5us
"""
IOTOP = """\
    TID  PRIO  USER     DISK READ  DISK WRITE  SWAPIN      IO    COMMAND
      1 be/4 root        0.00 B/s    0.00 B/s  0.00 %  0.00 % init --x y
   1234 be/4 daemon     12.34 M/s    1.00 K/s  0.00 % 99.99 % [kworker/u4:1]
"""


@pytest.mark.parametrize(
    ("text", "header", "last"),
    [
        (
            STATS,
            "CONTAINER_ID NAME CPU_pct MEM_USAGE_LIMIT MEM_pct NET_I_O PIDS",
            ["0.12%", "3.1MiB / 7.67GiB", "0.04%", "12.1MB / 3.4kB", 5],
        ),
        (POD_STATS, "ID MEM_pct NET_IO BLOCK_IO CPU_TIME AVG_CPU_pct", ["0B", "2.1s", "0.10%"]),
        (
            SOURCES,
            "MS Name_IP_address Stratum Poll Reach LastRx Last_sample",
            [345, "-12us[  -12us] +/-   30ms"],
        ),
        (
            SOURCE_STATS,
            "Name_IP_Address NP Span Frequency Freq_Skew Offset Std_Dev",
            [-0.001, 0.045, "1us", "5us"],
        ),
        (
            IOTOP,
            "TID PRIO USER DISK_READ DISK_WRITE SWAPIN IO COMMAND",
            ["12.34 M/s", "1.00 K/s", "0.00 %", "99.99 %", "[kworker/u4:1]"],
        ),
        ("DRIVER    VOLUME NAME\n", "DRIVER VOLUME_NAME", None),
        ("PID %CPU %MEM  CMD\n  1  0.1  0.2  a b\n", "PID pct_CPU pct_MEM CMD", [0.1, 0.2, "a b"]),
    ],
)
def test_headers_of_several_words_that_are_known_are_one(
    text: str, header: str, last: list[Any] | None
) -> None:
    found = read(text)
    assert names(found) == header.split()
    assert last is None or rows(found)[-1][-len(last) :] == last


TWICE = """\
procs -----reads----- ----writes-----
name   total  sectors  total  sectors
vda      100     2000      3       40
"""


def test_columns_of_one_name_are_refused_with_the_options_that_name_them() -> None:
    reason = (
        r"^t\.csv:2:24: two columns are called 'total'\n"
        r"  --skip-lines 2 --header A,B names them, if blanks are in last cells alone$"
    )
    with pytest.raises(InputRejected, match=reason):
        read(TWICE)
    found = read(TWICE, skip_lines=2, header=("disk", "r", "rs", "w", "ws"))
    assert rows(found) == [["vda", 100, 2000, 3, 40]]
    with pytest.raises(InputRejected, match=r"\n  --skip-lines 3 --header A,B names them"):
        read("NAME  AGE  name\n====  ===  ====\n\na     1    b\n")
    with pytest.raises(InputRejected, match=r"\n  --skip-lines 1 --header A,B names them"):
        read("NAME  AGE  name\n")


def test_faults_of_columns_are_told_by_their_places() -> None:
    with pytest.raises(InputRejected, match=r"^t\.csv:3:12: two columns are called 'name'"):
        read("procs -a- x\n\nNAME  AGE  name\na     1    b\n")
    with pytest.raises(
        InputRejected, match=r"^t\.csv:2: column AGE: 'x' is no INTEGER\n  web   x\n"
    ):
        read("NAME  AGE\nweb   x\nab    4\n", types={"AGE": "int"})
    found = read("NAME  AGE\nweb   3\nab    4\nxx\n", skip_bad_rows=True)
    assert [(r.line, r.column, r.raw) for r in found.rejects] == [(4, 3, "xx")]
    with pytest.raises(InputRejected, match="there is no header in it"):
        read("\0\n", form="columns", skip_bad_rows=True)


def test_a_cell_that_pushes_its_neighbours_aside_keeps_them_apart() -> None:
    found = rows(read(PUSHED))
    assert [row[3:5] for row in found] == [[42200, 12692], [74123456, 999], [741234567, 12345]]
    assert [row[-2:] for row in found] == [
        ["0:04", "init --x  y"],
        ["0:00", "[kthreadd]"],
        ["0:00", "big one"],
    ]


def test_ss_into_a_pipe_has_its_last_column_glued_to_the_one_before() -> None:
    found = read(SS_PIPED)
    assert names(found)[3:] == ["Local_Address_Port", "Peer_Address_Port", "Process"]
    assert [row[3:] for row in rows(found)] == [
        ["0.0.0.0:2024", "0.0.0.0:*", 'users:(("sshd",pid=1,fd=3))'],
        ["[::ffff:10.100.200.1]:22", "[::ffff:10.100.200.30]:55555", None],
    ]


ROUTES = """\
Kernel IP routing table
Destination     Gateway         Genmask         Flags   MSS Window  irtt Iface
0.0.0.0         192.168.1.1     0.0.0.0         UG        0 0          0 eth0
192.168.1.0     0.0.0.0         255.255.255.0   U         0 0          0 eth0
"""
INTERFACES = """\
Kernel Interface table
Iface             MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg
eth0             1500    30211      0      0 0         21050      0      0      0 BMRU
lo              65536      812      0      0 0           812      0      0      0 LRU
"""
QUOTAS = """\
Disk quotas for group users
Filesystem  blocks   quota   limit   grace   files
/dev/sda1    20344       0       0              12
/dev/sdb1      120       0       0   6days       3
"""


LOADS = """\
Load today
host    cpu     state   zone
web-1   20.5%   up      a
web-2   -1,5    up      b
"""
PROCESSES = """\
--procs-- -----------------------memory---------------------- ----cpu----
   r    b                     swpd                       free   us     sy
   5    0                        0                   22000888   44      6
"""
DISKS = """\
disk- ------------reads------------ -----IO------
       total merged sectors      ms    cur    sec
vda      100      1    2000      10      0     66
"""
UNIX_SOCKETS = """\
Active UNIX domain sockets (servers and established)
Proto RefCnt Flags       Type       State         I-Node   Path
unix  2      [ ACC ]     STREAM     LISTENING     20000    /run/x
"""


def test_a_title_is_passed_over_and_said_to_be() -> None:
    found = read(NETSTAT)
    assert names(found)[3:] == ["Local_Address", "Foreign_Address", "State"]
    assert found.notes[0].startswith("passed over before the header: Active Internet")


@pytest.mark.parametrize(
    ("text", "header", "last"),
    [
        (ROUTES, "Destination Gateway Genmask Flags MSS Window irtt Iface", "eth0"),
        (INTERFACES, "Iface MTU RX_OK RX_ERR RX_DRP RX_OVR TX_OK TX_ERR TX_DRP TX_OVR Flg", "LRU"),
        (QUOTAS, "Filesystem blocks quota limit grace files", 3),
        (LOADS, "host cpu state zone", "b"),
        (DISKS, "column_1 total merged sectors ms cur sec", 66),
        (PROCESSES, "r b swpd free us sy", 6),
        (PROCESSES.replace("--procs--", "procs"), "r b swpd free us sy", 6),
        (UNIX_SOCKETS, "Proto RefCnt Flags Type State I_Node Path", "/run/x"),
    ],
)
def test_a_title_above_columns_is_known_by_its_shape(text: str, header: str, last: Any) -> None:
    found = read(text)
    assert names(found) == header.split()
    assert rows(found)[-1][-1] == last
    assert found.notes == (f"passed over before the header: {text.splitlines()[0]}",)


MEMORY = """\
               total        used
Mem:           15947         812
Swap:           2047           0
"""
SLABS = "Cache      Num  Total\nzspage       2      4\n"
INSTALLED = """\
Package    Version Editable project location
---------- ------- -------------------------
my-package 1.0b    /src/my package
"""


@pytest.mark.parametrize(
    ("text", "nr_first", "last"),
    [
        (MEMORY, 2, ["Swap:", 2047, 0]),
        (SLABS, 1, ["zspage", 2, 4]),
        (ROUTES, 2, ["192.168.1.0", "0.0.0.0", "255.255.255.0", "U", 0, 0, 0, "eth0"]),
        (QUOTAS, 2, ["/dev/sdb1", 120, 0, 0, "6days", 3]),
        (INSTALLED, 1, ["my-package", "1.0b", "/src/my package"]),
        ("名前  数\nweb1  12\n東京   7\n", 2, ["東京", 7]),
    ],
)
def test_a_header_that_is_printed_again_is_no_row(
    text: str, nr_first: int, last: list[Any]
) -> None:
    once, found = read(text), read(f"{text}\n{text}{text}")
    assert found.publication.columns == once.publication.columns
    assert rows(found) == rows(once) * 3
    assert (len(rows(once)), rows(once)[-1]) == (nr_first, last)
    assert found.notes == (*once.notes, "repeated headers passed over: 2")


def test_below_a_header_that_is_printed_again_lines_are_counted_on() -> None:
    text = SLABS + "\n" + SLABS.splitlines()[0] + "  \nab           1      2\nzs\n"
    with pytest.raises(InputRejected, match=r"^t\.csv:6:3: the line has 1 column, the header 3\n"):
        read(text)
    found = read(text, skip_bad_rows=True)
    assert rows(found) == [["zspage", 2, 4], ["ab", 1, 2]]
    assert [(reject.line, reject.raw) for reject in found.rejects] == [(6, "zs")]
    with pytest.raises(InputRejected, match=r"^t\.csv:5: column Total: 'x' is no INTEGER\n  ab "):
        read(text.replace("2\nzs\n", "x\n"), types={"Total": "int"})


def test_a_line_that_only_resembles_the_header_is_a_row() -> None:
    assert rows(read("name\nab\nname\n", form="columns")) == [["ab"], ["name"]]
    found = read("Local Address\nab\nLocal Address\n", form="columns")
    assert rows(found) == [["ab"], ["Local Address"]]
    assert rows(read("name  age\nab    3\nname  AGE\n")) == [["ab", "3"], ["name", "AGE"]]
    found = read(ROUTES + "Kernel IP routing table\n", skip_bad_rows=True)
    assert [reject.line for reject in found.rejects] == [5]


@pytest.mark.parametrize(
    "text",
    [
        "NAME ROLE\nanna  head of sales\nbob   cook\n",
        "name role\nannabella    head of sales\nbartholomew  cook\n",
        "USER COMMAND HOST\nroot  ls -l  web\nbob   ls     db\n",
        "NAME DESCRIPTION N\na    xx yy  zz\nb    yy ww  6\n",
        "host free\nweb-one  none of it\nweb-two  41  7\n",
        "long_name n\na  none x\nb  1    2\n",
        QUOTAS.replace("Disk quotas", "Disk  quotas"),
        QUOTAS.replace("group users", "group users etc"),
        QUOTAS.replace("grace", "1,024"),
        QUOTAS.replace("Disk quotas for group users", "Filesystem abc"),
        QUOTAS.replace("/dev/sdb1      120", "/dev/sdb1-long-120"),
        LOADS.replace("20.5%", "idle ").replace("-1,5", "busy"),
        LOADS.replace("20.5%", "idle "),
        LOADS.replace("Load today", "Loadoftoday").replace("   zone", "").replace("   a\n", "\n"),
    ],
)
def test_a_header_is_no_title(text: str) -> None:
    found = read(text, form="columns", skip_bad_rows=True)
    assert names(found)[0].startswith(text.split()[0])
    assert found.notes == ()


WORDS = st.text("abcXY0189-.", min_size=1, max_size=9)
GRIDS = st.integers(2, 5).flatmap(
    lambda n: st.lists(st.lists(WORDS, min_size=n, max_size=n), min_size=2, max_size=6)
)


@given(GRIDS, st.lists(st.booleans(), min_size=5, max_size=5), st.integers(1, 3))
def test_no_line_of_aligned_columns_is_taken_for_a_title(
    grid: list[list[str]], right: list[bool], gap: int
) -> None:
    widths = [max(len(row[n]) for row in grid) for n in range(len(grid[0]))]
    lines = [
        (" " * gap).join(
            cell.rjust(width) if r else cell.ljust(width)
            for cell, width, r in zip(row, widths, right, strict=False)
        )
        for row in grid
    ]
    with contextlib.suppress(InputRejected):
        found = read("\n".join(lines), form="columns")
        assert not any(note.startswith("passed over") for note in found.notes)


def test_a_line_that_cannot_be_divided_for_certain_is_refused() -> None:
    text = "NAME  AGE ROLE\nweb-1 3d  a\nvery-long-name-of-a-host 3d b c\n"
    with pytest.raises(InputRejected, match=r"t\.csv:3:1: it cannot be told which column"):
        read(text.replace("3d b c", "x"))
    assert len(read(text.replace("3d b c", "x"), skip_bad_rows=True).rejects) == 1


PARTITIONS = """\
major minor  #blocks  name

   8        0  488386584 sda
   8        1     524288 sda1
"""


def test_a_word_that_ends_before_its_header_begins_is_another_columns() -> None:
    found = read(PARTITIONS)
    assert names(found) == ["major", "minor", "nr_blocks", "name"]
    assert rows(found) == [[8, 0, 488386584, "sda"], [8, 1, 524288, "sda1"]]
    found = read(PARTITIONS + "   8        2     524288\n", skip_bad_rows=True)
    assert [reject.column for reject in found.rejects] == [13, 13, 13]
    with pytest.raises(InputRejected, match=r"t\.csv:2:4: it cannot be told which .* 'xxx  0'"):
        read("one   two\n00 xxx  0\n", form="columns")


WIDE = [
    ["name", "status", "n"],
    ["web1", "Up 3 days", "1"],
    ["東京都庁", "Up 2 days", "22"],
    ["cafe\u0301", "Up 11 days", "3"],
]


def aligned(grid: list[list[str]], measure: Callable[[str], int], gap: int = 2) -> str:
    """As a program prints it that takes the widths of its cells to be these."""
    widths = [max(map(measure, column)) for column in zip(*grid, strict=True)]
    lines = (
        "".join(
            cell + " " * (width + gap - measure(cell))
            for cell, width in zip(row, widths, strict=True)
        )
        for row in grid
    )
    return "".join(line.rstrip() + "\n" for line in lines)


@pytest.mark.parametrize("measure", [wcswidth, len], ids=["terminal", "characters"])
def test_wide_characters_move_no_cell_whatever_it_was_padded_by(
    measure: Callable[[str], int],
) -> None:
    found = read(aligned(WIDE, measure))
    assert names(found) == WIDE[0]
    assert rows(found) == [[name, status, int(n)] for name, status, n in WIDE[1:]]


def test_a_bad_row_with_wide_characters_is_shown_as_it_stood() -> None:
    text = aligned([*WIDE, ["東京", "", ""]], wcswidth)
    (reject,) = read(text, skip_bad_rows=True).rejects
    assert (reject.line, reject.column, reject.raw) == (5, 3, "東京")


SCRIPTS = st.text("abXY01 日本京e\u0301\u200dé한", max_size=12)


@given(st.lists(SCRIPTS))
def test_a_line_has_a_character_for_each_place_and_comes_back(lines: list[str]) -> None:
    places = TerminalPlaces()
    spread = [places.spread(line) for line in lines]
    assert [places.back(line) for line in spread] == lines
    for line, text in zip(spread, lines, strict=True):
        if not re.search("(?:^| )[\u0301\u200d]", text):  # no character is there to put it on
            assert len(line) == sum(map(wcwidth, text))


def test_a_text_with_characters_of_our_own_is_left_as_it_is() -> None:
    text = aligned([*WIDE, ["\U000f0000日", "\U0010fffd", "4"]], len)
    assert rows(read(text))[-1] == ["\U000f0000日", "\U0010fffd", 4]


def test_a_tab_among_columns_goes_to_the_next_place_of_eight() -> None:
    found = read("NAME\tAGE   ROLE\nweb-1\t3     x y\nw\t4     z\n", form="columns")
    assert names(found) == ["NAME", "AGE", "ROLE"]
    assert rows(found) == [["web-1", 3, "x y"], ["w", 4, "z"]]


VMSTAT = """\
procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu-----
 r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st
 3  0      0 22393608  42672 1841196    0    0    54   375 1611 14906 38  6 55  0  1
"""


@pytest.mark.parametrize("more", ["", VMSTAT.splitlines()[2].replace("14906", "906")])
def test_cells_that_have_outgrown_their_columns_are_told_by_words(more: str) -> None:
    found = read(VMSTAT + more)
    cells = dict(zip(names(found), rows(found)[0], strict=True))
    assert (cells["free"], cells["si"], cells["so"], cells["bi"]) == (22393608, 0, 0, 54)
    assert (cells["cs"], cells["st"]) == (14906, 1)


def test_two_words_of_a_cell_beside_an_empty_one_stay_one_cell() -> None:
    found = read("NAME   STATUS  PORTS\nweb-1  Up 3m\nweb-2  Up 4m\n")
    assert rows(found) == [["web-1", "Up 3m", None], ["web-2", "Up 4m", None]]


UNIX = """\
Num       RefCount Protocol Flags    Type St Inode Path
00000000dc31ce9d: 00000003 00000000 00000000 0001 03 4468267
000000007e85426d: 00000003 00000000 00000000 0001 03 4468266
"""


def test_words_are_counted_against_all_headers_where_their_places_tell_nothing() -> None:
    with pytest.raises(InputRejected, match=r"^t\.csv:2:1: it cannot be told which column"):
        read(UNIX)
    found = read(UNIX.replace("67\n", "67 /run/x\n").replace("66\n", "66 /run/y\n"))
    assert names(found)[4:] == ["Type", "St", "Inode", "Path"]
    assert rows(found)[1][4:] == ["0001", "03", 4468266, "/run/y"]
    found = read("      total used  free\nMem:  24000000 1000000 23000000\nSwap: 0 0 0\n")
    assert rows(found) == [["Mem:", 24000000, 1000000, 23000000], ["Swap:", 0, 0, 0]]


@pytest.mark.parametrize("text", ["full name\nJohn Smith\nJane Doe\n", "2024 a  b\n2025 c  d\n"])
def test_words_that_are_not_aligned_or_have_no_header_are_one_column(text: str) -> None:
    assert (read(text).form, len(names(read(text)))) == ("csv", 1)


STARTED = {
    "pid": """\
    PID                  STARTED CMD
      1 Fri Nov 27 21:18:10 2026 /sbin/init x
   1234 Sat Nov 28 01:02:03 2026 sh
""",
    "user": """\
USER                      STARTED     PID CMD
root     Sat Dec  5 21:18:10 2026       1 /sbin/init x
systemd+ Sat Dec  5 21:18:11 2026     412 sh
""",
    "first": """\
                 STARTED     PID COMMAND
Fri Nov 27 21:18:10 2026       1 init
Sat Dec  5 21:18:11 2026     412 tmux: server
""",
    "last": """\
    PID                  STARTED
      1 Fri Nov 27 21:18:10 2026
   1234 Sat Nov 28 01:02:03 2026
""",
    "elapsed": """\
    PID                  STARTED     ELAPSED
      1 Fri Nov 27 21:18:10 2026       17140
   1234 Sat Nov 28 01:02:03 2026        9999
""",
    "command": """\
COMMAND                          STARTED     PID
init            Fri Nov 27 21:18:10 2026       1
npm run start   Fri Nov 27 21:18:10 2026     412
""",
}


@pytest.mark.parametrize(
    ("text", "header", "first"),
    [
        ("pid", "PID STARTED CMD", [1, "Fri Nov 27 21:18:10 2026", "/sbin/init x"]),
        ("user", "USER STARTED PID CMD", ["root", "Sat Dec  5 21:18:10 2026", 1, "/sbin/init x"]),
        ("first", "STARTED PID COMMAND", ["Fri Nov 27 21:18:10 2026", 1, "init"]),
        ("last", "PID STARTED", [1, "Fri Nov 27 21:18:10 2026"]),
        ("elapsed", "PID STARTED ELAPSED", [1, "Fri Nov 27 21:18:10 2026", 17140]),
        ("command", "COMMAND STARTED PID", ["init", "Fri Nov 27 21:18:10 2026", 1]),
    ],
)
def test_words_before_a_right_aligned_header_are_a_part_of_its_cells(
    text: str, header: str, first: list[Any]
) -> None:
    found = read(STARTED[text])
    assert (names(found), rows(found)[0]) == (header.split(), first)
    assert not found.rejects


TIMERS = """\
NEXT                            LEFT UNIT
Sun 2023-11-05 23:09:27 CET    18min a.timer
Mon 2023-11-06 00:00:00 CET  1h 8min b.timer
"""
DISKS = """\
NAME MODEL                 SIZE
sda  Samsung SSD 860 EVO 465.8G
sdb  WDC WD40              3.6T
"""
UNNAMED = """\
                n  x
New York     1000  1
Los Angeles     2  3
"""


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        (
            TIMERS,
            ["Sun 2023-11-05 23:09:27 CET", "18min", "a.timer"],
            ["Mon 2023-11-06 00:00:00 CET", "1h 8min", "b.timer"],
        ),
        (DISKS, ["sda", "Samsung SSD 860 EVO", "465.8G"], ["sdb", "WDC WD40", "3.6T"]),
        (UNNAMED, ["New York", 1000, 1], ["Los Angeles", 2, 3]),
    ],
)
def test_words_that_have_no_header_go_to_the_cell_they_stand_close_to(
    text: str, first: list[Any], last: list[Any]
) -> None:
    assert [rows(read(text))[n] for n in (0, -1)] == [first, last]


def test_words_that_may_be_of_either_column_make_a_bad_row() -> None:
    text = "".join(
        line + "\n" for line in STARTED["user"].splitlines() if not line.startswith("root")
    )
    with pytest.raises(InputRejected, match=r"t\.csv:2:10: it cannot be told .* 'Sat' belongs"):
        read(text)
    text = "SIZE    NOTE\n 100 x  a b\n  20 yy c d\n   3    e\n"
    found = read(text, skip_bad_rows=True)
    assert [reject.line for reject in found.rejects] == [2, 3]
    assert rows(found) == [[3, "e"]]


POWERSHELL = """

Handles  WS(K)     Id  ProcessName
-------  -----     --  -----------
    123   7890   1234  svchost
     45     78     12  System Idle

"""
PIP = """\
Package    Build Location
---------- ----- --------
aiofiles       1 /a b
attrs          2
"""
SQLITE = """\
a   b    c
--  ---  -
1   x y  2
22  z    3
"""
VIRSH = """\
 Id   Name
-----------
 1    web-1
 2    web-2
"""
DOUBLE = "n   name\n==+=====\n1   x y\n12  z\n"
DRAWN = "n   name\n──  ────\n1   x y\n12  z\n"


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        (POWERSHELL, [123, 7890, 1234, "svchost"], [45, 78, 12, "System Idle"]),
        (PIP, ["aiofiles", 1, "/a b"], ["attrs", 2, None]),
        (SQLITE, [1, "x y", 2], [22, "z", 3]),
        (VIRSH, [1, "web-1"], [2, "web-2"]),
        (DOUBLE, [1, "x y"], [12, "z"]),
        (DRAWN, [1, "x y"], [12, "z"]),
    ],
)
def test_a_line_that_is_drawn_below_the_header_is_no_row(
    text: str, first: list[Any], last: list[Any]
) -> None:
    found = read(text)
    assert rows(found) == [first, last]
    rule = text.strip("\n").splitlines()[1]
    assert found.notes == (f"passed over below the header: {rule}",)


@pytest.mark.parametrize(
    "row", ["-    -", "---- -", "---  --x", "--+  -- -", "++++ ++", "     ------"]
)
def test_a_row_of_dashes_underlines_each_header_or_is_one(row: str) -> None:
    found = read(f"name  to\nabcd  ef\n{row}\n", form="columns", skip_bad_rows=True)
    assert found.notes == ()
    found = read(f"name  to\n{row}\nabcd  ef\n", form="columns", skip_bad_rows=True)
    assert found.notes == ()
    assert rows(found)[-1] == ["abcd", "ef"]


def test_words_above_one_rule_of_several_are_one_header() -> None:
    text = "Package Version Editable project location\n------- ------- ----------------------\n"
    text = text.replace("-\n", "----\n") + "qasino  1       /a b\naiozmq  2\n"
    assert names(read(text)) == ["Package", "Version", "Editable_project_location"]
    assert rows(read(text)) == [["qasino", 1, "/a b"], ["aiozmq", 2, None]]
    assert names(read("a b  c\n------\n1 2  3\n4 5  6\n")) == ["a", "b", "c"]


PARTS = """\
NAME   FSTYPE FSVER LABEL UUID                                 FSAVAIL FSUSE% MOUNTPOINTS
sda@
├─sda1 vfat   FAT32 EFI   ABCD-1234                             504.9M     1% /boot/efi
└─sda2 ext4   1.0         0a1b2c3d-0000-1111-2222-333344445555   32.1G    61% /srv
                                                                              /my disk
sdb@
└─sdb1 swap   1           1a1b2c3d-0000-1111-2222-333344445555                [SWAP]
"""


@pytest.mark.parametrize("padding", ["", " " * 71])
@pytest.mark.parametrize("form", [None, "columns"])
def test_a_line_may_have_its_first_cell_alone(padding: str, form: str | None) -> None:
    found = read(PARTS.replace("@", padding), form=form)
    assert found.form == "columns"
    assert rows(found)[0] == ["sda", *[None] * 7]
    assert rows(found)[2][5:] == ["32.1G", "61%", "/srv"]
    assert rows(found)[3] == [*[None] * 7, "/my disk"]
    assert rows(found)[4] == ["sdb", *[None] * 7]


VOLUMES_OF_LVM = """\
NAME              FSTYPE      FSVER    LABEL      UUID           FSUSE% MOUNTPOINTS
sda
├─sda1            vfat        FAT32    Windows RE ABCD-1234
├─sda2            ext4        1.0                 7a8b1c2d-1111      7% /boot
└─sda3            LVM2_member LVM2 001            zjmMQA-7QGh-ab
  └─vg0-root      ext4        1.0                 5a8b1c2d-1111     46% /
"""


def test_cells_of_several_words_are_cells_beside_a_first_one_alone() -> None:
    found = read(VOLUMES_OF_LVM)
    assert names(found)[1:5] == ["FSTYPE", "FSVER", "LABEL", "UUID"]
    assert [row[1:5] for row in rows(found)] == [
        [None, None, None, None],
        ["vfat", "FAT32", "Windows RE", "ABCD-1234"],
        ["ext4", "1.0", None, "7a8b1c2d-1111"],
        ["LVM2_member", "LVM2 001", None, "zjmMQA-7QGh-ab"],
        ["ext4", "1.0", None, "5a8b1c2d-1111"],
    ]


def test_the_last_line_may_have_been_cut_off_unless_it_is_padded() -> None:
    (reject,) = read(PARTS + "sr0\n", skip_bad_rows=True).rejects
    assert reject.raw == "sr0"
    found = read(PARTS.replace("@", "") + "sr0" + " " * 71 + "\n")
    assert rows(found)[-1] == ["sr0", *[None] * 7]


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("NAME   AGE  N\nweb-1  3    x\nso it\nab     4    y\n", [3]),
        ("NAME  AGE  N\nweb   3    x\nsome-prose\nab    4    y\n", [3]),
        ("NAME  AGE\nweb\nab\n", [2, 3]),
        ("NAME  SIZE N\n/long\n         3 4\n/b       5 6\n", [2]),
        ("NAME  SIZE N\n/a/longer\n/b       5 6\n", [2]),
    ],
)
def test_what_is_no_first_cell_alone_stays_a_bad_row(text: str, bad: list[int]) -> None:
    found = read(text, form="columns", skip_bad_rows=True)
    assert [reject.line for reject in found.rejects] == bad


def test_a_header_may_have_no_rows() -> None:
    assert (names(read("NAME  AGE\n")), rows(read("NAME  AGE\n"))) == (["NAME", "AGE"], [])


@pytest.mark.parametrize("process", ["Process", " Process", ""])
def test_the_header_of_ss_alone_makes_the_columns_that_it_has_above_sockets(process: str) -> None:
    found = read("State Recv-Q Send-Q Local Address:Port Peer Address:Port" + process + "\n")
    header = "State Recv_Q Send_Q Local_Address_Port Peer_Address_Port " + process
    assert (names(found), rows(found)) == (header.split(), [])
    assert read("Peer Address:Port\nPeer Address:Port\n").form == "csv"
    assert read("Mounted on\n").form == "csv"


@pytest.mark.parametrize(
    "text",
    [
        "Dear all of  you\nhello\nthis is a text\nwith lines\n",
        "Nov 27  started\nfailed\nNov 28  started\n",
        "a b c  d\nx\ny\nz\n",
        "one  two\nx\n1    2\n",
        "one  two  three\nx\n1  2    3\n",
    ],
)
def test_lines_of_one_word_make_no_columns_of_a_text(text: str) -> None:
    assert read(text).form == "csv"


# --- What `qasino sql --format text` prints ------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        (["host", "n"], [["web1", 1]]),
        (["disk", "pct"], [["sda", 97], ["sdb", 3]]),
        (["host", "load"], [["web1", 0.5], ["web2", 1.5]]),
        (["id", "note"], [[1, "x"], [2, None]]),
        (["host", "error"], [["db", None]]),
        (["host"], [["web1"]]),
        (["host"], [["web1"], [None], ["db1"], [None]]),
        (["a", "b"], [[None, None], [None, "x"]]),
        (["a", "b"], [["x y", "1  2"], ["==", "="]]),
        (["note"], [["2 rows returned"], ["===="]]),
        (["host"], []),
        (["host", "n"], []),
        (["名前", "n"], [["日本 東京", 1], ["\U0001f469\u200d\U0001f680", None], ["e\u0301", 2]]),
        (["host"], [["a,b"], ["c,d"]]),
        (["host"], [["[1]"], ["{x}"]]),
        (["host"], [["x" * 70000], ["y"]]),
    ],
)
def test_the_text_of_a_result_makes_the_table_that_it_was(
    header: list[str], cells: list[list[Any]]
) -> None:
    found = read(text_table(header, cells))
    assert (found.form, found.rejects) == ("columns", ())
    assert [one.header for one in found.renamed] == [name for name in header if not name.isascii()]
    assert rows(found) == cells
    told = [note for note in found.notes if note.startswith("passed over at its end")]
    assert told == [f"passed over at its end: {len(cells)} rows returned"]


_TEXTS = st.text(st.characters(exclude_categories=["C"]), max_size=9).map(
    lambda text: " ".join(text.split())
)


@given(st.data())
def test_the_text_of_any_result_makes_the_table_that_it_was(data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 4))
    header = [f"{name} n{n}".strip() for n, name in enumerate(data.draw(_lists(width)))]
    lines = data.draw(st.lists(_lists(width), max_size=5))
    found = read(text_table(header, lines), types=dict.fromkeys(header, "text"))
    assert found.form == "columns"
    assert rows(found) == [[cell or None for cell in line] for line in lines]


def _lists(width: int) -> st.SearchStrategy[list[str]]:
    return st.lists(_TEXTS, min_size=width, max_size=width)


def test_names_with_blanks_are_told_by_the_rule() -> None:
    found = read(text_table(["count(*)", "a b", "1", " x "], [[1, 2, None, "y"]]))
    assert names(found) == ["count", "a_b", "_1", "x"]
    assert rows(found) == [[1, 2, None, "y"]]


def test_columns_of_one_name_in_a_result_are_refused_with_what_to_ask() -> None:
    reason = (
        r"^t\.csv:1:4: two columns are called 'A'\n"
        r"  ask for one of them under another name: select \.\. as NAME$"
    )
    with pytest.raises(InputRejected, match=reason):
        read(text_table(["a", "A"], [[1, 2]]))


def test_a_word_across_the_columns_of_a_result_is_a_bad_row() -> None:
    text = text_table(["host", "note"], [["web1", 1], ["web2", None]])
    found = read(text.replace("web2      ", "web2longer"), skip_bad_rows=True)
    assert rows(found) == [["web1", 1]]
    (reject,) = found.rejects
    assert (reject.line, reject.column) == (4, 1)
    assert reject.reason == "it cannot be told which column 'web2longer' belongs to"


@pytest.mark.parametrize("below", ["host,n\nweb1,2\n", "some text\n", ""])
def test_a_title_that_is_underlined_is_no_column(below: str) -> None:
    assert read(f"Hosts\n=====\n{below}", skip_bad_rows=True).form == "csv"


def test_the_text_of_a_result_may_have_lost_its_end_or_lines() -> None:
    text = text_table(["id", "note"], [[1, "x"], [2, None], [3, "y"]])
    assert rows(read("".join(text.splitlines(keepends=True)[:4]))) == [[1, "x"], [2, None]]
    assert rows(read(text.replace(" 1     x\n", ""))) == [[2, None], [3, "y"]]
    assert rows(read("\n" + text.replace("\n", "\r\n") + "\n"))[1:] == [[2, None], [3, "y"]]
