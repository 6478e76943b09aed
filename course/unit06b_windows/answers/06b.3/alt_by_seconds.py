def late_ticks(ticks, watermark, width):
    number, unit = width.split()
    seconds = int(number) * {"m": 60, "s": 1, "h": 3600}[unit[0]]
    moment = F.unix_micros("event_time")
    end = moment - moment % (seconds * 1_000_000) + seconds * 1_000_000
    return ticks.filter(end <= round(watermark.timestamp() * 1_000_000))
