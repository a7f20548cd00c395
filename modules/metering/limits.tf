locals {
  log_retention_allowed = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]

  # The role's name is the one that gets longest: IAM allows 64 characters, a region's name has up to 15.
  name_max_length = 64 - length("-metering-") - 15

  # An alarm on an expression takes 10 metrics, of which the function's are three and, where CloudWatch drops lines by
  # their status, those of the log group two more.
  monitored_stages_max = length(var.filter.statuses) == 0 ? 7 : 5

  # What an alarm takes.
  alarm_actions_max = 5
}
