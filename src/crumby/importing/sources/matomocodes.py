"""What Matomo's tables call a system, a browser, a device and a continent: in words that `names.py` knows.

    https://github.com/matomo-org/device-detector/blob/master/Parser/OperatingSystem.php
    https://github.com/matomo-org/device-detector/blob/master/Parser/Client/Browser.php
    https://github.com/matomo-org/device-detector/blob/master/Parser/Device/AbstractDeviceParser.php

The codes of those that most people have; another one stands for itself, in lower case.
"""

from collections.abc import Mapping
from typing import Final

from crumby.dimensions.device import Device

CONTINENTS: Final = {"afr": "AF", "ant": "AN", "asi": "AS", "eur": "EU", "amn": "NA", "oce": "OC", "ams": "SA"}
DEVICES: Final[Mapping[str, Device]] = {"0": "desktop", "1": "mobile", "2": "tablet", "3": "mobile", "10": "mobile"}
SYSTEMS: Final = {
    "AND": "android",
    "BLB": "blackberry",
    "BSD": "freebsd",
    "CES": "centos",
    "COS": "chromeos",
    "DEB": "debian",
    "FED": "fedora",
    "FIR": "android",
    "FOS": "firefox os",
    "HAR": "harmonyos",
    "IOS": "ios",
    "IPA": "ipados",
    "KOS": "kaios",
    "LIN": "linux",
    "MAC": "macos",
    "MIN": "linux",
    "NBS": "netbsd",
    "OBS": "openbsd",
    "RHT": "red hat",
    "SSE": "suse",
    "SYM": "symbian os",
    "TIZ": "tizen",
    "TVO": "tvos",
    "UBT": "ubuntu",
    "WIN": "windows",
    "WPH": "windows phone",
}
BROWSERS: Final = {
    "AN": "android browser",
    "AL": "aloha browser",
    "BR": "brave",
    "CH": "chrome",
    "CI": "chrome mobile ios",
    "CM": "chrome mobile",
    "CR": "chromium",
    "CV": "chrome webview",
    "DD": "duckduckgo",
    "EC": "ecosia",
    "FF": "firefox",
    "FK": "firefox focus",
    "FM": "firefox mobile",
    "HC": "headless chrome",
    "HU": "huawei browser",
    "IE": "internet explorer",
    "IM": "ie mobile",
    "MF": "mobile safari",
    "MU": "miui browser",
    "OI": "opera mini",
    "OM": "opera mobile",
    "OP": "opera",
    "PS": "microsoft edge",
    "QQ": "qq browser",
    "SB": "samsung browser",
    "SF": "safari",
    "SI": "silk",
    "UC": "uc browser",
    "VI": "vivaldi",
    "YA": "yandex browser",
}
