"""The numbers of the system calls that a run may make, and of those that have rules of their own.

The list comes from traces of training, of the gates and of the stand-ins, and from what the C library and the
interpreter may call in their place. What is missing is refused (`sandbox.inside.seccomp`), also calls that Linux gets
later. Left out on purpose, though harmless at first sight, is what holds memory of the kernel that no limit counts:
`socketpair` (1.3 GiB of unread bytes in 1000 sockets), `io_setup`, `inotify_init`, `timer_create`, `vmsplice`,
`shmget`, `memfd_create`, and `sendmsg`, since descriptors in transit are in no process' table.
"""

Numbers = tuple[int | None, int | None]
"""A call's number on x86_64 and on aarch64; None if the architecture has no such call."""

ALLOWED: dict[str, Numbers] = {
    # memory
    "mmap": (9, 222), "munmap": (11, 215), "mremap": (25, 216), "mprotect": (10, 226), "madvise": (28, 233),
    "brk": (12, 214), "msync": (26, 227),
    # files by descriptor
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67), "pwrite64": (18, 68),
    "lseek": (8, 62), "close": (3, 57), "close_range": (436, 436), "dup": (32, 23), "dup2": (33, None),
    "dup3": (292, 24), "fstat": (5, 80), "fstatfs": (138, 44), "ftruncate": (77, 46), "fallocate": (285, 47),
    "fadvise64": (221, 223), "fsync": (74, 82), "fdatasync": (75, 83), "flock": (73, 32), "sendfile": (40, 71),
    "copy_file_range": (326, 285), "getdents": (78, None), "getdents64": (217, 61), "fchdir": (81, 50),
    "fchmod": (91, 52), "pipe": (22, None), "pipe2": (293, 59), "select": (23, None), "pselect6": (270, 72),
    "poll": (7, None), "ppoll": (271, 73),
    # files by path; Landlock decides which
    "open": (2, None), "openat": (257, 56), "creat": (85, None), "stat": (4, None), "lstat": (6, None),
    "newfstatat": (262, 79), "statx": (332, 291), "statfs": (137, 43), "access": (21, None), "faccessat": (269, 48),
    "faccessat2": (439, 439), "readlink": (89, None), "readlinkat": (267, 78), "truncate": (76, 45),
    "mkdir": (83, None), "mkdirat": (258, 34), "rmdir": (84, None), "unlink": (87, None), "unlinkat": (263, 35),
    "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276), "link": (86, None), "linkat": (265, 37),
    "symlink": (88, None), "symlinkat": (266, 36), "chmod": (90, None), "fchmodat": (268, 53), "utimensat": (280, 88),
    "utimes": (235, None), "getcwd": (79, 17), "chdir": (80, 49), "umask": (95, 166), "getxattr": (191, 8),
    "lgetxattr": (192, 9), "fgetxattr": (193, 10), "listxattr": (194, 11), "llistxattr": (195, 12),
    "flistxattr": (196, 13),
    # the channel, a socket that is already open
    "recvfrom": (45, 207), "sendto": (44, 206), "shutdown": (48, 210), "getsockname": (51, 204),
    "getpeername": (52, 205), "getsockopt": (55, 209),
    # own processes and threads
    "fork": (57, None), "vfork": (58, None), "wait4": (61, 260), "waitid": (247, 95), "exit": (60, 93),
    "exit_group": (231, 94), "futex": (202, 98), "set_robust_list": (273, 99), "get_robust_list": (274, 100),
    "set_tid_address": (218, 96), "rseq": (334, 293), "arch_prctl": (158, None), "prctl": (157, 167),
    "getcpu": (309, 168), "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "sched_setaffinity": (203, 122),
    "sched_getscheduler": (145, 120), "sched_getparam": (143, 121), "sched_get_priority_max": (146, 125),
    "sched_get_priority_min": (147, 126), "getpriority": (140, 141), "get_mempolicy": (239, 236), "setsid": (112, 157),
    "setpgid": (109, 154),
    # signals to itself
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "rt_sigpending": (127, 136), "rt_sigsuspend": (130, 133),
    "rt_sigtimedwait": (128, 137), "sigaltstack": (131, 132), "pause": (34, None), "alarm": (37, None),
    "setitimer": (38, 103), "getitimer": (36, 102), "restart_syscall": (219, 128),
    # who and where it is
    "getpid": (39, 172), "getppid": (110, 173), "gettid": (186, 178), "getpgrp": (111, None), "getpgid": (121, 155),
    "getsid": (124, 156), "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177),
    "getresuid": (118, 148), "getresgid": (120, 150), "getgroups": (115, 158), "capget": (125, 90), "uname": (63, 160),
    "sysinfo": (99, 179), "getrlimit": (97, 163), "getrusage": (98, 165),
    # time and chance
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "gettimeofday": (96, 169), "time": (201, None),
    "times": (100, 153), "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "getrandom": (318, 278),
}  # fmt: skip
"""Calls that every run may make, with any arguments."""

ON_REQUEST: dict[str, Numbers] = {
    "execve": (59, 221), "execveat": (322, 281), "memfd_create": (319, 279), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242), "connect": (42, 203), "recvmsg": (47, 212), "eventfd2": (290, 19),
    "epoll_create1": (291, 20), "epoll_ctl": (233, 21), "epoll_wait": (232, None), "epoll_pwait": (281, 22),
    "mbind": (237, 235), "set_mempolicy": (238, 237), "mlock": (149, 228), "munlock": (150, 229),
}  # fmt: skip
"""Calls that only a profile can allow."""
SIGNALS_TO_OTHERS: dict[str, Numbers] = {
    "pidfd_send_signal": (424, 424), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "tkill": (200, 130), "pidfd_open": (434, 434),
}  # fmt: skip
"""Calls that send a signal or prepare to; all are refused, whatever their target."""
RULED: dict[str, tuple[int, int]] = {
    "kill": (62, 129), "tgkill": (234, 131), "clone": (56, 220), "prlimit64": (302, 261), "rt_sigaction": (13, 134),
    "fcntl": (72, 25), "ioctl": (16, 29), "socket": (41, 198), "setsockopt": (54, 208),
}  # fmt: skip
"""Calls whose arguments decide."""
FIRST_RECENT = 424
"""Calls from this number on have come since Linux 5.1, under the same number on every architecture."""
