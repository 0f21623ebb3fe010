"""The words of the monthly report's page, in English and Chinese."""

from __future__ import annotations

from gnss.reports.words import Words

_WORDS: dict[str, tuple[str, str]] = {
    "title": ("Monthly service report: {month}", "服务月报：{month}"),
    "span": ("{begin} to {end} ({zone}), made {made} by version {program}",
             "{begin} 至 {end}（{zone}），生成于 {made}，程序版本 {program}"),
    "utc": ("UTC", "UTC"),
    "beijing": ("Beijing time", "北京时间"),
    # tiles
    "service_share": ("Time in which the service ran", "服务可用率"),
    "network_share": ("Epochs of stations that came", "站网历元完整率"),
    "series_share": ("Samples of sensors that came", "传感器数据完整率"),
    "sessions": ("Sessions of rovers", "流动站会话"),
    "hours": ("Hours of corrections", "改正数服务时长（小时）"),
    "volume": ("Volume", "数据量"),
    "alerts": ("Alerts", "预警"),
    "p90": ("Nine of ten answered within", "九成应答用时"),
    # notes
    "notes": ("Notes", "说明"),
    "not_over": ("The month is not over: the figures are those so far.", "本月尚未结束：数字截至生成时。"),
    "not_summed_up": ("{value} s of the month are not summed up yet and not counted.",
                      "本月尚有 {value} 秒未完成汇总，未计入。"),
    "sessions_not_kept": ("Sessions are not kept: set session_days of [caster], or the privacy setting.",
                          "未保存会话：请设置 [caster] 的 session_days 或隐私设置。"),
    "sessions_forgotten": ("Sessions are kept for {value} days: those of the month's begin are gone.",
                           "会话只保存 {value} 天：月初的会话已删除。"),
    "sessions_cut": ("Only the {value} longest combinations of caster, account and mountpoint are counted.",
                     "只统计了时长最长的 {value} 组（caster、账号、挂载点）。"),
    "alerts_cut": ("Only the first {value} alerts are counted.", "只统计了最早的 {value} 条预警。"),
    "answers_cut": ("Only the newest {value} answers are counted.", "只统计了最新的 {value} 次应答。"),
    "calls_cut": ("Only the first {value} attempts are counted.", "只统计了最早的 {value} 次呼叫。"),
    "commands_cut": ("Of a day only the first {value} changes are counted.",
                     "每天只统计最早的 {value} 次变更。"),
    "series_expected": ("Samples are expected by the period of each series over the whole month, also of "
                        "younger series.",
                        "应有数据按各序列采样间隔和整月时间计算，月中新增的序列也是如此。"),
    "outages_by_hour": ("There are many outages: some are told by whole hours.",
                        "中断较多，部分只精确到小时。"),
    # network
    "network": ("Service and network", "服务与站网"),
    "days_title": ("Epochs that came, by day of UTC", "逐日历元完整率（UTC 日）"),
    "months_title": ("Epochs that came, by month", "逐月历元完整率"),
    "near_100": ("Good near 100 %.", "接近 100 % 为佳。"),
    "month": ("Month", "月份"),
    "stations": ("Stations", "测站"),
    "epochs_came": ("Epochs", "历元"),
    "expected": ("Expected", "应有"),
    "share": ("Share", "完整率"),
    "outages": ("When nothing was judged", "服务中断"),
    "no_outages": ("Stations were judged all the time.", "全月持续评定，无中断。"),
    "no_stations": ("There were no stations.", "没有测站。"),
    "begin": ("Begin", "开始"),
    "end": ("End", "结束"),
    "duration": ("Duration", "时长"),
    "unheard": ("Stations of which nothing was heard: {count}.", "全月无数据的测站：{count}。"),
    "worst_stations": ("Worst stations", "最差测站"),
    "station": ("Station", "测站"),
    "judged": ("Judged", "评定时间占比"),
    "latency_mean": ("Mean latency (s)", "平均延迟 (秒)"),
    # users
    "users": ("Users", "用户"),
    "accounts": ("Accounts with sessions", "有会话的账号"),
    "people": ("People and programs that changed something", "进行过变更的人员与程序"),
    "changes": ("Changes asked for", "变更请求"),
    "refused": ("Refused", "被拒绝"),
    "accounts_by_role": ("Accounts now, by role", "当前账号（按角色）"),
    "by_kind": ("By kind of mountpoint", "按挂载点类型"),
    "kind_station": ("one station", "单站"),
    "kind_roaming": ("roaming", "漫游"),
    "by_mountpoint": ("By mountpoint", "按挂载点"),
    "by_region": ("By region", "按区域"),
    "by_account": ("By account", "按账号"),
    "here": ("here", "本级"),
    "open_to_all": ("without an account", "无账号"),
    "name": ("Name", "名称"),
    "count": ("Sessions", "会话数"),
    "hours_head": ("Hours", "小时"),
    "accounts_head": ("Accounts", "账号数"),
    "fixed": ("Fixed", "固定解占比"),
    "more": ("and {count} more", "另有 {count} 项"),
    # sensors
    "sensors": ("Sensors", "传感器"),
    "property": ("Property", "要素"),
    "series": ("Series", "序列"),
    "silent": ("Silent", "无数据"),
    "samples": ("Samples", "样本数"),
    "good_flag": ("Pass", "通过"),
    "suspect_flag": ("Suspect", "可疑"),
    "failed_flag": ("Fail", "不合格"),
    "missing_flag": ("Missing", "缺测"),
    "worst_series": ("Worst series", "最差序列"),
    # alerts
    "level": ("Level", "级别"),
    "rule": ("Kind", "类型"),
    "region": ("Region", "区域"),
    "acknowledged": ("Acknowledged", "已应答"),
    "ended": ("Hazard over", "险情已解除"),
    "declined": ("Declined", "会商否决"),
    "silenced": ("Silenced", "静默"),
    "still_open": ("Open", "未关闭"),
    "until_acknowledged": ("Median to acknowledge", "应答用时中位数"),
    "no_alerts": ("No alert was opened.", "没有预警。"),
    "historic": ("Found in late data, and not counted: {count}.", "由迟到数据发现，未计入：{count}。"),
    "red": ("red", "红色"), "orange": ("orange", "橙色"),
    "yellow": ("yellow", "黄色"), "blue": ("blue", "蓝色"),
    # calls
    "calls": ("Calls and answers", "呼叫与应答"),
    "no_calls": ("Nobody was called.", "没有呼叫。"),
    "channel": ("Channel", "通道"),
    "attempts": ("Attempts", "次数"),
    "delivered": ("Delivered", "送达"),
    "answered": ("Answered", "应答"),
    "failed": ("Failed", "失败"),
    "withdrawn": ("Withdrawn", "撤回"),
    "called": ("Called", "被呼叫"),
    "in_time": ("In time", "按时应答"),
    "median": ("Median", "中位数"),
    "p90_head": ("90 %", "90 %"),
    "p95_head": ("95 %", "95 %"),
    "unreachable": ("Unreachable", "未接通"),
    "all": ("all", "全部"),
    "webhooks": ("Subscribers", "订阅方"),
    "webhook": ("Subscriber", "订阅方"),
    "steps": ("Steps", "步骤"),
    "given_up": ("Given up", "放弃"),
    "pending": ("Pending", "待送"),
    "delay_mean": ("Mean delay", "平均时延"),
    "delay_max": ("Longest", "最长时延"),
}  # fmt: skip


class ServiceWords(Words):
    """Looks up words of this report, and of all reports."""

    def __call__(self, key: str, **values: object) -> str:
        """Return a word or sentence with values put in."""
        if key not in _WORDS:
            return super().__call__(key, **values)
        told = _WORDS[key][self._place]
        return told.format(**values) if values else told

    def has(self, key: str) -> bool:
        """Return whether there is such a word."""
        return key in _WORDS or super().has(key)
