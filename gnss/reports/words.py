"""The words of the pages, in English and Chinese (terms of the trade as in GNSS network operation)."""

from __future__ import annotations

from typing import Literal

from gnss.reports.indicator_words import CHECKS_ZH, TITLES

Language = Literal["en", "zh"]

_WORDS: dict[str, tuple[str, str]] = {
    # states and the verdict
    "good": ("good", "良好"),
    "degraded": ("degraded", "欠佳"),
    "bad": ("bad", "差"),
    "unknown": ("unknown", "未知"),
    "lead_good": ("All judged figures keep their limits.", "所有评定指标均在限值之内。"),
    "lead_because": ("Decided by: {what}.", "判定依据：{what}。"),
    "lead_unknown": ("There was not enough to judge.", "数据不足，无法评定。"),
    "lead_nothing": ("No observations came.", "没有收到观测数据。"),
    "lead_time": (
        "{good} of the time good, {degraded} degraded, {bad} bad, {unknown} unknown.",
        "良好 {good}，欠佳 {degraded}，差 {bad}，未知 {unknown}。",
    ),
    "lead_reason": ("Longest: {reason} ({time}).", "持续最长：{reason}（{time}）。"),
    "listed": (", ", "、"),
    # units
    "day": ("d", "天"),
    "hour": ("h", "小时"),
    "minute": ("min", "分"),
    "second": ("s", "秒"),
    # station page
    "station_title": ("Station report: {station}", "测站质量报告：{station}"),
    "period": ("{begin} to {end} (UTC), {duration}", "{begin} 至 {end}（UTC），共 {duration}"),
    "source": ("Source: ", "数据来源："),
    "interval": ("Interval: {interval} s", "采样间隔：{interval} 秒"),
    "limit_low": ("good above {limit}", "良好：高于 {limit}"),
    "limit_high": ("good below {limit}", "良好：低于 {limit}"),
    "time_good": ("Time in good state", "良好时间占比"),
    "epochs": ("Epochs that came", "历元完整率"),
    "expected": ("Signals above 10°", "10° 以上数据完整率"),
    "usable": ("Usable epochs", "可用历元率"),
    "slips": ("Slips per 1000 observations", "每千观测值周跳数 (CSR)"),
    "multipath": ("Multipath, RMS", "多路径 RMS"),
    "cn0": ("Mean C/N0", "平均信噪比 (C/N0)"),
    "latency": ("Median latency", "延迟中位数"),
    "frame_errors": ("Frames failing CRC", "CRC 错误帧率"),
    "o_slps": ("o/slps {value}", "o/slps {value}"),
    "no_slips": ("no slip", "无周跳"),
    "igs_slips": ("IGS: half of the stations < 5, two thirds < 10", "IGS：半数测站 < 5，三分之二 < 10"),
    "p95": ("95 %: {value} s, longest {most} s", "95 %：{value} 秒，最长 {most} 秒"),
    "of_expected": ("{some} of {all}", "{some} / {all}"),
    # sections
    "reasons": ("What was wrong, and what to check", "问题原因与检查建议"),
    "no_reasons": ("No verdict of the period had a reason.", "本时段内没有问题记录。"),
    "reason": ("Reason", "原因"),
    "stood": ("Stood for", "持续时间"),
    "worst": ("Worst value", "最差值"),
    "threshold": ("Threshold", "阈值"),
    "first_last": ("First – last (UTC)", "首次 – 末次 (UTC)"),
    "check": ("What to check", "检查建议"),
    "timeline": ("Course of time", "时间过程"),
    "states_title": ("State and gaps", "状态与数据中断"),
    "states_note": (
        "Good when the upper bar is low and even and the lower lane is empty; taller is worse.",
        "上方色条低而均匀、下方中断行为空为佳；越高越差。",
    ),
    "lane_state": ("State", "状态"),
    "lane_gaps": ("Gaps", "中断"),
    "lane_jumps": ("Clock steps", "钟跳"),
    "calendar_title": ("State of each hour", "逐小时状态"),
    "calendar_note": (
        "One cell an hour, the worst state in it. The dark part below is the share of missing epochs.",
        "每格一小时，取其中最差状态；下部深色为缺失历元的比例。",
    ),
    "hours_axis": ("Hour of the day (UTC)", "一天中的小时 (UTC)"),
    "missing": ("missing epochs", "缺失历元"),
    "series_each": ("One point every {time}.", "每 {time} 一个点。"),
    "series_worst": ("Each point is the worst of {time}.", "每点为 {time} 内的最差值。"),
    "series_score": ("Score", "评分"),
    "series_share": ("Completeness", "数据完整率"),
    "series_satellites": ("Satellites", "卫星数"),
    "series_multipath": ("Multipath", "多路径"),
    "series_cn0": ("C/N0", "信噪比 (C/N0)"),
    "series_slips": ("Slips", "周跳"),
    "series_latency": ("Latency", "延迟"),
    "series_roti": ("ROTI", "ROTI"),
    "points": ("points", "分"),
    "count": ("count", "个"),
    "share_epochs": ("epochs", "历元"),
    "share_signals": ("signals", "信号"),
    "note_score": ("100 is perfect; good from 70 on.", "100 为满分；70 及以上为良好。"),
    "note_share": ("Good near 100 %.", "接近 100 % 为佳。"),
    "note_satellites": ("Good when it follows the same course each day.", "每天走势一致为佳。"),
    "note_multipath": ("Good when low: RMS over all signals.", "越低越好：所有信号的 RMS。"),
    "note_cn0": ("Good when high and even.", "高而平稳为佳。"),
    "note_slips": ("Good when single ones are scattered; many at once have a common cause.",
                   "零星出现属正常；同时大量出现说明有共同原因。"),
    "note_latency": ("Good when low and even: median of each row.", "低而平稳为佳：取中位数。"),
    "note_roti": ("From 0.5 on the ionosphere is commonly called disturbed, from 1 on strongly so.",
                  "0.5 以上通常视为电离层扰动，1 以上为强扰动。"),
    "limit_degraded": ("degraded {value}", "欠佳 {value}"),
    "limit_bad": ("bad {value}", "差 {value}"),
    "limit_reason": ("threshold {value}", "阈值 {value}"),
    "moderate": ("moderate {value}", "中等 {value}"),
    "strong": ("strong {value}", "强 {value}"),
    "beyond": ("{count} points outside the frame (as far as {value})",
               "{count} 个点超出图幅（最远 {value}）"),
    # sky
    "sky": ("Sky", "卫星天空图"),
    "sky_note": (
        "Good when tracks are blue up high, fade only near the horizon, and no red cross stands above 10° "
        "(dashed).",
        "高处轨迹为蓝色、仅近地平线处变弱、10°（虚线）以上没有红色叉号为佳。",
    ),
    "sky_from": ("Tracks from {begin} to {end}.", "轨迹时段：{begin} 至 {end}。"),
    "unseen": ("expected, not seen", "应见而未见"),
    "never_seen": ("Above 10°, but never seen: {list}.", "高于 10° 却从未观测到：{list}。"),
    "all_seen": ("Every satellite above 10° was seen.", "10° 以上的卫星均已观测到。"),
    "north": ("N", "北"), "east": ("E", "东"), "south": ("S", "南"), "west": ("W", "西"),
    # elevation
    "by_elevation": ("By elevation", "随高度角的变化"),
    "cn0_elevation": ("C/N0 in the {band} band", "{band} 频段信噪比"),
    "cn0_elevation_note": ("Good when curves rise evenly and lie together. "
                           "The limits are those of the mean over all elevations.",
                           "曲线平稳上升且相互接近为佳。限值针对所有高度角的平均值。"),
    "multipath_elevation": ("Multipath in the {band} band", "{band} 频段多路径"),
    "multipath_elevation_note": ("Good when low above 20°. The limits are those of all elevations together.",
                                  "20° 以上较低为佳。限值针对所有高度角的总值。"),
    "elevation_axis": ("Elevation (°)", "高度角 (°)"),
    # tables
    "by_signal": ("By signal", "各信号统计"),
    "signal": ("Signal", "信号"),
    "system": ("System", "系统"),
    "band": ("Band", "频段"),
    "observations": ("Observations", "观测值数"),
    "share_horizon": ("Share above\nhorizon", "地平以上\n完整率"),
    "share_mask": ("Share above\n10°", "10° 以上\n完整率"),
    "have_expected": ("Came / expected\nabove 10°", "实到 / 应到\n（10° 以上）"),
    "slips_lock_phase": ("Slips\n(lock + phase)", "周跳\n（失锁 + 相位）"),
    "csr": ("Slips per\n1000 obs.", "每千观测值\n周跳"),
    "o_slps_title": ("o/slps", "o/slps"),
    "interruptions": ("Interrup-\ntions", "中断次数"),
    "multipath_title": ("Multipath\nRMS (m)", "多路径\nRMS (m)"),
    "cn0_title": ("C/N0 mean ± sd\n(dB-Hz)", "信噪比 均值 ± 标准差\n(dB-Hz)"),
    "all": ("All", "全部"),
    "no_signals": ("No signal came.", "没有收到任何信号。"),
    "details": ("Details", "详细信息"),
    "usable_of": ("Usable epochs of {system}", "{system} 可用历元"),
    "late": ("Late / out of order epochs", "迟到 / 乱序历元"),
    "latency_all": ("Latency: median, 95 %, 99 %, longest, jitter", "延迟：中位数、95 %、99 %、最长、抖动"),
    "latency_approximate": ("(percentiles are means of parts)", "（百分位数为各部分的加权平均）"),
    "frames": ("Frames: sound, failing CRC", "数据帧：正确、CRC 错误"),
    "messages": ("Messages", "电文"),
    "position": ("Position against {reference}: east, north, up (mean ± sd)",
                 "相对于{reference}的位置：东、北、天（均值 ± 标准差）"),
    "registry": ("the registry", "登记坐标"), "message 1006": ("message 1006", "1006 电文"),
    "RINEX header": ("the RINEX header", "RINEX 文件头"), "mean position": ("the mean position", "平均位置"),
    "clock_jumps": ("Clock steps", "钟跳"),
    "gaps": ("Gaps", "数据中断"),
    "gap_sum": ("{count} in number, {time} in all", "共 {count} 次，合计 {time}"),
    "no_gaps": ("No gap.", "无数据中断。"),
    "longest_of": ("The {shown} longest of {count}:", "{count} 次中最长的 {shown} 次："),
    "begin": ("Begin (UTC)", "开始 (UTC)"),
    "end": ("End (UTC)", "结束 (UTC)"),
    "duration": ("Duration", "时长"),
    "metadata": ("Told by the station", "测站元数据"),
    "problems": ("What could not be read or judged", "无法读取或评定的内容"),
    "how": ("How to read this", "说明"),
    "how_verdict": (
        "The period is good while more than {good} of its judged time was good and all its figures keep "
        "their limits, and bad when more than {bad} of it was bad or a figure is beyond its bad limit.",
        "评定时间内良好占比高于 {good} 且所有指标均在限值内时评为良好；"
        "差的时间超过 {bad} 或任一指标超出“差”限值时评为差。",
    ),
    "how_terms": (
        "Expected: signals of healthy satellites above the horizon, by ephemeris. o/slps: observations per "
        "slip; without slips it is not defined. Multipath depends on interval and window: compare it only "
        "with figures made in the same way.",
        "“应到”指按星历计算、地平以上健康卫星的信号。o/slps 为每次周跳对应的观测值数，无周跳时无定义。"
        "多路径与采样间隔及平滑窗口有关，仅可与相同方法的结果比较。",
    ),
    # network
    "network_title": ("Network report", "站网质量报告"),
    "stations": ("Stations, the worst first", "测站列表（最差在前）"),
    "stations_count": ("{count} stations", "共 {count} 个测站"),
    "station": ("Station", "测站"),
    "state": ("State", "状态"),
    "state_time": ("Time by state", "状态时间分布"),
    "score_title": ("Score", "评分"),
    "epochs_title": ("Epochs", "历元\n完整率"),
    "latency_title": ("Latency (s)\nmedian / 95 %", "延迟 (秒)\n中位数 / 95 %"),
    "cn0_short": ("C/N0\n(dB-Hz)", "信噪比\n(dB-Hz)"),
    "gaps_title": ("Gaps\n(longest)", "中断\n（最长）"),
    "reasons_title": ("Reasons, the longest first", "原因（持续最长在前）"),
    "spread": ("How the figures are spread", "指标分布"),
    "spread_note": ("{count} stations, median {median}.", "{count} 个测站，中位数 {median}。"),
    "spread_none": ("Known of no station.", "没有测站有此数据。"),
    "without_slips": ("{count} stations had no slip and stand outside.",
                      "{count} 个测站无周跳，未列入图中。"),
    "outer_bars": ("The outer bars hold what lies beyond.", "最外侧直方条包含超出范围的测站。"),
    "stations_axis": ("Stations", "测站数"),
    "hist_epochs": ("Completeness of epochs (%)", "历元完整率 (%)"),
    "hist_expected": ("Signals above 10° (%)", "10° 以上数据完整率 (%)"),
    "hist_multipath": ("Multipath RMS (m)", "多路径 RMS (m)"),
    "hist_o_slps": ("Observations per slip (o/slps)", "o/slps（观测值数/周跳数）"),
    "hist_latency": ("Median latency (s)", "延迟中位数 (秒)"),
    "right_good": ("Good: to the right.", "越靠右越好。"),
    "left_good": ("Good: to the left.", "越靠左越好。"),
    "no_stations": ("No station was given.", "没有测站。"),
}  # fmt: skip


class Words:
    """Looks up words of one language.

    Raises
    ------
    ValueError
        The language is not there.
    """

    def __init__(self, language: Language) -> None:
        if language not in ("en", "zh"):
            raise ValueError(f'There are no words in "{language}": use "en" or "zh".')
        self.language = language
        self._place = 0 if language == "en" else 1

    def __call__(self, key: str, **values: object) -> str:
        """Return a word or sentence with values put in."""
        told = _WORDS[key][self._place]
        return told.format(**values) if values else told

    def has(self, key: str) -> bool:
        """Return whether there is such a word."""
        return key in _WORDS

    def indicator(self, code: str) -> str:
        """Return what an indicator is called; the code itself where it has no name."""
        return TITLES[code][self._place] if code in TITLES else code

    def check(self, code: str, english: str) -> str:
        """Return what to check; English where it has not been translated."""
        return CHECKS_ZH.get(code, english) if self.language == "zh" and english else english

    def units(self) -> tuple[str, str, str, str]:
        """Return the words for day, hour, minute and second."""
        return self("day"), self("hour"), self("minute"), self("second")
