"""Titles and abstracts of data sets, and what is said of their making, in English and Chinese."""

from __future__ import annotations

from typing import Literal, NamedTuple

from sensors.model import ObservedProperty
from streams.alert_words import Words

KindName = Literal["observations", "network", "quality", "figures", "hours", "raw", "alerts"]


class Kind(NamedTuple):
    """What a data set of a kind is called."""

    title: Words
    abstract: Words


KINDS: dict[KindName, Kind] = {
    "quality": Kind(
        Words("Quality of GNSS reference stations", "GNSS 基准站质量"),
        Words(
            "A verdict on each station each second, with its reasons: epochs and observations against those "
            "expected, latency, C/N0, cycle slips, multipath, frame errors.",
            "逐秒对每个基准站的评定及其原因：历元与观测值完整率、延迟、信噪比、周跳、多路径、错误帧。",
        ),
    ),
    "figures": Kind(
        Words("Figures of GNSS reference stations by minute", "GNSS 基准站分钟指标"),
        Words(
            "Once a minute: signals against those that ephemerides let expect, slips, loss of C/N0, "
            "irregularity of the ionosphere, steps of the clock, mean positions.",
            "每分钟一组：按星历应见信号的完整率、周跳、信噪比损失、电离层不规则性、钟跳、平均位置。",
        ),
    ),
    "hours": Kind(
        Words("Reports of GNSS reference stations by hour", "GNSS 基准站小时报告"),
        Words(
            "Figures of each hour by signal and elevation, with gaps, reasons and sky, from which reports of "
            "days and months are made.",
            "逐小时按信号和高度角统计的指标，含中断、原因和天空图，用于生成日报和月报。",
        ),
    ),
    "raw": Kind(
        Words("Streams of GNSS reference stations", "GNSS 基准站原始数据"),
        Words(
            "RTCM 3 as it was received, and RINEX 3.05 made of it.",
            "接收到的 RTCM 3 原始数据流及由其生成的 RINEX 3.05 文件。",
        ),
    ),
    "alerts": Kind(
        Words("Alerts", "预警"),
        Words(
            "Hazards that detectors found, with every step of their life and the evidence.",
            "检测器发现的险情，含全过程记录和依据。",
        ),
    ),
}
PROGRAM = Words(
    "Made by Groundswell {version} from what instruments sent; nothing is filled in or smoothed.",
    "由 Groundswell {version} 根据仪器数据生成，不插补、不平滑。",
)
TESTED = Words(
    "Each sample is judged on arrival by the QARTOD tests below and keeps its value: flag 1 pass, 2 not "
    "evaluated, 3 suspect, 4 fail, 9 missing.",
    "每个样本到达时按下列 QARTOD 检验评定，数值不变：1 通过、2 未评定、3 可疑、4 不合格、9 缺测。",
)
LIMITS = Words(
    "Verdicts rest upon the limits below; a verdict gets worse at once and better after a hold time.",
    "评定依据下列限值；变差立即生效，变好需经保持期。",
)
DETECTED = Words(
    "Detectors watch series by the limits that are in force when a sample comes; each alert has those that "
    "it rests upon in its evidence.",
    "检测器按样本到达时有效的限值监视序列；每条预警的依据中含其所用限值。",
)


def of_property(name: str, observed: ObservedProperty | None) -> tuple[Words, Words]:
    """Return title and abstract of the observations of a property."""
    english = name.replace("_", " ") if observed is None else observed.name
    chinese = name if observed is None else observed.name_zh or observed.name
    return (
        Words(f"Observations: {english}", f"观测数据：{chinese}"),
        Words(
            f"Samples of {english} of all sites with their quality flags, and windows of them by minute, "
            "hour and day.",
            f"所有站点的{chinese}样本及质量标记，以及按分钟、小时、日的统计。",
        ),
    )


def of_network(name: str) -> tuple[Words, Words]:
    """Return title and abstract of the observations of a network."""
    return (
        Words(f"Observations of the network {name}", f"监测网 {name} 观测数据"),
        Words(
            f"Samples of the datastreams that are members of the network {name} now, with quality flags.",
            f"当前属于监测网 {name} 的各序列的样本及质量标记。",
        ),
    )
